-- No PRIMARY KEY, no index: DuckLake has neither, and DuckDB 1.5 answers wrongly from an index after a crash.
-- Every instant is UTC. What the tables and columns mean: ../description/.

CREATE TABLE events (
    workspace_id VARCHAR NOT NULL,
    event_id VARCHAR NOT NULL,
    conversation_id VARCHAR,
    event_type VARCHAR NOT NULL,
    occurred_at TIMESTAMPTZ,
    sequence BIGINT,
    ingested_at TIMESTAMPTZ NOT NULL,
    domain VARCHAR,
    origin VARCHAR,
    channel VARCHAR,
    direction VARCHAR,
    service_id VARCHAR,
    traffic VARCHAR NOT NULL,
    run_id VARCHAR,
    session_id VARCHAR,
    participant VARCHAR,
    tags VARCHAR[],
    data JSON NOT NULL,
    source_key VARCHAR NOT NULL,
    file_id VARCHAR NOT NULL
);

CREATE TABLE conversations (
    workspace_id VARCHAR NOT NULL,
    conversation_id VARCHAR NOT NULL,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    settled_at TIMESTAMPTZ,
    last_arrival_at TIMESTAMPTZ NOT NULL,
    channel VARCHAR,
    direction VARCHAR,
    service_id VARCHAR,
    tags VARCHAR[],
    traffic VARCHAR NOT NULL,
    run_id VARCHAR,
    session_id VARCHAR,
    completion_reason VARCHAR,
    final_state VARCHAR,
    duration_seconds DOUBLE,
    quality_score DOUBLE,
    escalated BOOLEAN,
    event_count BIGINT NOT NULL,
    turn_count BIGINT NOT NULL,
    agent_turn_count BIGINT NOT NULL,
    user_turn_count BIGINT NOT NULL,
    tool_call_count BIGINT NOT NULL,
    tool_failure_count BIGINT NOT NULL,
    turns STRUCT(
        index BIGINT, role VARCHAR, participant VARCHAR, text VARCHAR,
        started_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, event_id VARCHAR, data JSON
    )[] NOT NULL,
    intelligence JSON NOT NULL,
    content_hash VARCHAR NOT NULL
);

-- Conversations whose events changed since they were last assembled: written with the events, so a crash loses none.
CREATE TABLE stale_conversations (
    workspace_id VARCHAR NOT NULL,
    conversation_id VARCHAR NOT NULL
);

CREATE TABLE metric_definitions (
    workspace_id VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    metric_type VARCHAR NOT NULL,
    managed_by VARCHAR NOT NULL,
    body JSON NOT NULL,
    valid_from TIMESTAMPTZ NOT NULL,
    valid_to TIMESTAMPTZ
);

CREATE TABLE metric_values (
    workspace_id VARCHAR NOT NULL,
    metric_key VARCHAR NOT NULL,
    definition_version VARCHAR NOT NULL,
    entity_type VARCHAR NOT NULL,
    entity_id VARCHAR NOT NULL,
    participant VARCHAR,
    segment_from BIGINT,
    segment_to BIGINT,
    sample_index BIGINT NOT NULL,
    observed_at TIMESTAMPTZ,
    traffic VARCHAR NOT NULL,
    service_id VARCHAR,
    value_number DOUBLE,
    value_text VARCHAR,
    value_boolean BOOLEAN,
    value_list VARCHAR[],
    status VARCHAR NOT NULL,
    confidence DOUBLE,
    reasoning VARCHAR,
    evidence JSON,
    model VARCHAR,
    attempts BIGINT NOT NULL,
    error VARCHAR,
    tokens_in BIGINT,
    tokens_cached BIGINT,
    tokens_out BIGINT,
    cost_usd DOUBLE,
    content_hash VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL
);

-- UTC hours whose period rows no longer agree with the values: written with the values, so a crash loses none.
CREATE TABLE stale_periods (
    workspace_id VARCHAR NOT NULL,
    metric_key VARCHAR NOT NULL,
    definition_version VARCHAR NOT NULL,
    hour TIMESTAMPTZ NOT NULL
);

CREATE TABLE metric_periods (
    workspace_id VARCHAR NOT NULL,
    metric_key VARCHAR NOT NULL,
    definition_version VARCHAR NOT NULL,
    metric_type VARCHAR NOT NULL,
    aggregation VARCHAR NOT NULL,
    traffic VARCHAR NOT NULL,
    service_id VARCHAR,
    granularity VARCHAR NOT NULL,
    period_start TIMESTAMPTZ NOT NULL,
    period_end TIMESTAMPTZ NOT NULL,
    category VARCHAR,
    value DOUBLE,
    value_text VARCHAR,
    share DOUBLE,
    unit VARCHAR,
    event_count BIGINT NOT NULL,
    eligible_count BIGINT NOT NULL,
    not_applicable_count BIGINT NOT NULL,
    abstained_count BIGINT NOT NULL,
    missing_count BIGINT NOT NULL,
    out_of_range_count BIGINT NOT NULL,
    unknown_category_count BIGINT NOT NULL,
    wrong_type_count BIGINT NOT NULL,
    parse_error_count BIGINT NOT NULL,
    error_count BIGINT NOT NULL,
    not_sampled_count BIGINT NOT NULL,
    over_cap_count BIGINT NOT NULL,
    over_budget_count BIGINT NOT NULL,
    no_model_count BIGINT NOT NULL,
    pending_count BIGINT NOT NULL,
    coverage DOUBLE,
    interval_low DOUBLE,
    interval_high DOUBLE,
    interval_method VARCHAR NOT NULL,
    selection VARCHAR NOT NULL,
    estimated BOOLEAN NOT NULL,
    avg_confidence DOUBLE,
    value_sum DOUBLE,
    value_sum_squares DOUBLE,
    value_min DOUBLE,
    value_max DOUBLE,
    true_count BIGINT,
    numerator DOUBLE,
    denominator DOUBLE,
    computed_at TIMESTAMPTZ NOT NULL,
    revision BIGINT NOT NULL,
    superseded_at TIMESTAMPTZ
);

CREATE TABLE extraction_runs (
    workspace_id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    metric_key VARCHAR NOT NULL,
    definition_version VARCHAR NOT NULL,
    window_start TIMESTAMPTZ NOT NULL,
    window_end TIMESTAMPTZ NOT NULL,
    eligible_count BIGINT NOT NULL,
    ok_count BIGINT NOT NULL,
    not_applicable_count BIGINT NOT NULL,
    abstained_count BIGINT NOT NULL,
    missing_count BIGINT NOT NULL,
    out_of_range_count BIGINT NOT NULL,
    unknown_category_count BIGINT NOT NULL,
    wrong_type_count BIGINT NOT NULL,
    parse_error_count BIGINT NOT NULL,
    error_count BIGINT NOT NULL,
    not_sampled_count BIGINT NOT NULL,
    over_cap_count BIGINT NOT NULL,
    over_budget_count BIGINT NOT NULL,
    no_model_count BIGINT NOT NULL,
    pending_count BIGINT NOT NULL,
    reused_count BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    tokens_in BIGINT NOT NULL,
    tokens_cached BIGINT NOT NULL,
    tokens_out BIGINT NOT NULL,
    cost_usd DOUBLE NOT NULL,
    arrivals_until TIMESTAMPTZ,
    started_at TIMESTAMPTZ NOT NULL,
    seconds DOUBLE NOT NULL,
    failure VARCHAR
);

CREATE TABLE ingested_files (
    workspace_id VARCHAR NOT NULL,
    file_id VARCHAR NOT NULL,
    url VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    source_key VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    record_count BIGINT NOT NULL,
    event_count BIGINT NOT NULL,
    duplicate_count BIGINT NOT NULL,
    rejected_count BIGINT NOT NULL,
    failure VARCHAR,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE rejected_records (
    workspace_id VARCHAR NOT NULL,
    file_id VARCHAR NOT NULL,
    url VARCHAR NOT NULL,
    place VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    detail VARCHAR NOT NULL,
    record VARCHAR,
    rejected_at TIMESTAMPTZ NOT NULL
);
