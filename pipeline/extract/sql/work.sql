CREATE OR REPLACE TEMP TABLE work (
    metric_key VARCHAR,
    definition_version VARCHAR,
    conversation_id VARCHAR,
    content_hash VARCHAR,
    observed_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    traffic VARCHAR,
    service_id VARCHAR,
    stored_status VARCHAR,
    attempts BIGINT,
    reused BOOLEAN,
    place BIGINT,
    state VARCHAR
);

-- What the modes of the present batch are to extract.
CREATE OR REPLACE TEMP VIEW todo AS
SELECT * FROM work WHERE state IS NULL AND list_contains(getvariable('batch'), metric_key);
