CREATE OR REPLACE TEMP TABLE event_observed (
    plan_id INTEGER,
    event_type VARCHAR,
    observed_at TIMESTAMPTZ,
    traffic VARCHAR,
    service_id VARCHAR,
    status VARCHAR,
    number DOUBLE,
    is_true BOOLEAN,
    labels VARCHAR[]
);
