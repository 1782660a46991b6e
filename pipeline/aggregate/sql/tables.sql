-- reads: nothing
-- leaves: empty tables that the scripts which read values fill, span by span. A tick counts stretches of time that lie in
--   one hour of a period each.
CREATE OR REPLACE TEMP TABLE event_observed (
    plan_id INTEGER,
    event_type VARCHAR,
    conversation_id VARCHAR,
    observed_at TIMESTAMPTZ,
    traffic VARCHAR,
    service_id VARCHAR,
    group_key VARCHAR,
    status VARCHAR,
    number DOUBLE,
    exact VARCHAR,
    is_true BOOLEAN,
    labels VARCHAR[]
);

CREATE OR REPLACE TEMP TABLE ratio_observed (
    plan_id INTEGER,
    conversation_id VARCHAR,
    observed_at TIMESTAMPTZ,
    traffic VARCHAR,
    service_id VARCHAR,
    group_key VARCHAR,
    status VARCHAR,
    confidence DOUBLE,
    numerator DOUBLE,
    denominator DOUBLE
);

CREATE OR REPLACE TEMP TABLE pivot_sums (plan_id INTEGER, value_count BIGINT, value_sum DOUBLE);

CREATE OR REPLACE TEMP TABLE counted (
    plan_id INTEGER,
    tick BIGINT,
    traffic VARCHAR,
    service_id VARCHAR,
    group_key VARCHAR,
    status VARCHAR,
    value_count BIGINT,
    confidence_sum DOUBLE,
    confidence_count BIGINT,
    value_sum DOUBLE,
    value_sum_squares DOUBLE,
    value_sum_cubes DOUBLE,
    value_sum_fourths DOUBLE,
    value_min DOUBLE,
    value_max DOUBLE,
    true_count BIGINT,
    numerator DOUBLE,
    denominator DOUBLE,
    products DOUBLE[],
    numbers DOUBLE[],
    units VARCHAR[],
    distinct_values VARCHAR[]
);

CREATE OR REPLACE TEMP TABLE drawn (
    plan_id INTEGER,
    traffic VARCHAR,
    hour_number BIGINT,
    mixed BOOLEAN
);

CREATE OR REPLACE TEMP TABLE category_counted (
    plan_id INTEGER,
    tick BIGINT,
    traffic VARCHAR,
    service_id VARCHAR,
    group_key VARCHAR,
    category VARCHAR,
    true_count BIGINT,
    confidence_sum DOUBLE,
    confidence_count BIGINT
);

CREATE OR REPLACE TEMP TABLE unit_counted (
    plan_id INTEGER,
    tick BIGINT,
    traffic VARCHAR,
    service_id VARCHAR,
    group_key VARCHAR,
    conversation_id VARCHAR,
    above DOUBLE,
    below DOUBLE
);

CREATE OR REPLACE TEMP TABLE unit_category_counted (
    plan_id INTEGER,
    tick BIGINT,
    traffic VARCHAR,
    service_id VARCHAR,
    group_key VARCHAR,
    conversation_id VARCHAR,
    category VARCHAR,
    above DOUBLE
);
