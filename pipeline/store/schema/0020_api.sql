-- What people change while the pipeline runs: keys, access, settings, webhooks, and the record of who did it.
-- None of it is computed, so none of it can be rebuilt.

CREATE TABLE api_keys (
    workspace_id VARCHAR NOT NULL,
    key_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    secret_hash VARCHAR NOT NULL,
    metrics VARCHAR[],
    transcripts BOOLEAN NOT NULL,
    requests_per_minute BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    created_by VARCHAR NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ
);

CREATE TABLE workspace_access (
    workspace_id VARCHAR NOT NULL,
    metrics VARCHAR[],
    transcripts BOOLEAN NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    changed_by VARCHAR NOT NULL
);

-- One row for each change, holding all custom definitions as they were after it; the greatest revision is in force.
CREATE TABLE settings_revisions (
    workspace_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    changed_by VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    definitions JSON NOT NULL,
    overrides JSON NOT NULL,
    diff JSON NOT NULL
);

-- Comparisons of a metric's newest period row with a number.
CREATE TABLE thresholds (
    workspace_id VARCHAR NOT NULL,
    threshold_id VARCHAR NOT NULL,
    metric_key VARCHAR NOT NULL,
    operator VARCHAR NOT NULL,
    value DOUBLE NOT NULL,
    granularity VARCHAR NOT NULL,
    service_id VARCHAR,
    changed_at TIMESTAMPTZ NOT NULL,
    changed_by VARCHAR NOT NULL
);

-- The state of whatever can raise an alarm, one row for each change of state; the newest is in force.
CREATE TABLE alarm_states (
    workspace_id VARCHAR NOT NULL,
    alarm VARCHAR NOT NULL,
    raised BOOLEAN NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE webhooks (
    workspace_id VARCHAR NOT NULL,
    webhook_id VARCHAR NOT NULL,
    url VARCHAR NOT NULL,
    events VARCHAR[] NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    created_by VARCHAR NOT NULL
);

-- Written in the transaction that decides to send, deleted once delivered or given up, so a crash loses none.
CREATE TABLE webhook_outbox (
    workspace_id VARCHAR NOT NULL,
    delivery_id VARCHAR NOT NULL,
    webhook_id VARCHAR NOT NULL,
    event_type VARCHAR NOT NULL,
    body VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE audit_log (
    workspace_id VARCHAR NOT NULL,
    happened_at TIMESTAMPTZ NOT NULL,
    actor VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    subject VARCHAR,
    detail JSON NOT NULL
);
