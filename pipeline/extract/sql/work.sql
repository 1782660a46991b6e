-- reads: nothing
-- leaves: work, empty: each conversation of each metric, with what is known of it
CREATE OR REPLACE TEMP TABLE work (
    metric_key VARCHAR,
    definition_version VARCHAR,
    conversation_id VARCHAR,
    content_hash VARCHAR,
    observed_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    first_arrival_at TIMESTAMPTZ,
    last_arrival_at TIMESTAMPTZ,
    traffic VARCHAR,
    service_id VARCHAR,
    stored_status VARCHAR,
    stored_left_out BOOLEAN,
    attempts BIGINT,
    reused BOOLEAN,
    begun BOOLEAN,
    draw DOUBLE,
    place BIGINT,
    state VARCHAR,
    reason VARCHAR
);
