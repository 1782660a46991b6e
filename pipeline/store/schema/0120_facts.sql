-- What is known of an event beside what it says, and what it was before it was corrected.
ALTER TABLE events ADD COLUMN document VARCHAR;
ALTER TABLE events ADD COLUMN about BOOLEAN;
ALTER TABLE events ADD COLUMN supersedes VARCHAR;
ALTER TABLE events ADD COLUMN revision BIGINT;
ALTER TABLE events ADD COLUMN inherited VARCHAR[];

CREATE TABLE superseded_events (
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
    file_id VARCHAR NOT NULL,
    document VARCHAR,
    about BOOLEAN,
    supersedes VARCHAR,
    revision BIGINT,
    inherited VARCHAR[],
    superseded_at TIMESTAMPTZ NOT NULL
);

-- Every delivery of a document that said something new; the one without superseded_at counts.
CREATE TABLE documents (
    workspace_id VARCHAR NOT NULL,
    source_key VARCHAR NOT NULL,
    document VARCHAR NOT NULL,
    version DOUBLE,
    content_hash VARCHAR NOT NULL,
    arrived_at TIMESTAMPTZ NOT NULL,
    stored_at TIMESTAMPTZ NOT NULL,
    superseded_at TIMESTAMPTZ
);

ALTER TABLE conversations ADD COLUMN contradictions VARCHAR[];
ALTER TABLE extraction_runs ADD COLUMN without_instant_count BIGINT;
ALTER TABLE stale_periods ADD COLUMN IF NOT EXISTS reason VARCHAR;

-- Start, end and duration have another meaning: every conversation is assembled anew from its events.
INSERT INTO stale_conversations BY NAME
SELECT DISTINCT workspace_id, conversation_id FROM conversations;
