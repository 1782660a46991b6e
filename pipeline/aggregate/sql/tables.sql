-- What the scripts that read values fill, span by span. `tick` counts stretches of time that lie in one slice each.
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

CREATE OR REPLACE TEMP TABLE ratio_observed (
    plan_id INTEGER,
    observed_at TIMESTAMPTZ,
    traffic VARCHAR,
    service_id VARCHAR,
    status VARCHAR,
    confidence DOUBLE,
    numerator DOUBLE,
    denominator DOUBLE
);

CREATE OR REPLACE TEMP TABLE counted (
    plan_id INTEGER,
    tick BIGINT,
    traffic VARCHAR,
    service_id VARCHAR,
    status VARCHAR,
    value_count BIGINT,
    confidence_sum DOUBLE,
    confidence_count BIGINT,
    value_sum DOUBLE,
    value_sum_squares DOUBLE,
    value_min DOUBLE,
    value_max DOUBLE,
    true_count BIGINT,
    numerator DOUBLE,
    denominator DOUBLE,
    numbers DOUBLE[]
);

CREATE OR REPLACE TEMP TABLE category_counted (
    plan_id INTEGER,
    tick BIGINT,
    traffic VARCHAR,
    service_id VARCHAR,
    category VARCHAR,
    true_count BIGINT,
    confidence_sum DOUBLE,
    confidence_count BIGINT
);
