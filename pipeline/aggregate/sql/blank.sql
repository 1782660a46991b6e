-- reads: nothing
-- leaves: empty tables that `units`, `categories` and `numbers` fill. Each is run only where a plan asks for it, since
--   planning its statements takes longer than what an hour holds.
CREATE OR REPLACE TEMP TABLE units (
    period_id BIGINT,
    class_id BIGINT,
    conversation_id VARCHAR,
    above DOUBLE,
    below DOUBLE
);

CREATE OR REPLACE TEMP TABLE merged_units (
    period_id BIGINT,
    class_id BIGINT,
    unit_count BIGINT,
    below_2 DOUBLE,
    below_3 DOUBLE,
    below_4 DOUBLE,
    away_2 DOUBLE,
    away_3 DOUBLE,
    away_4 DOUBLE
);

CREATE OR REPLACE TEMP TABLE merged_categories (
    period_id BIGINT,
    class_id BIGINT,
    category VARCHAR,
    true_count BIGINT,
    weighted_true DOUBLE,
    share DOUBLE,
    avg_confidence DOUBLE,
    event_count BIGINT,
    designed BOOLEAN,
    variance DOUBLE,
    skewness DOUBLE,
    kurtosis DOUBLE,
    degrees DOUBLE
);

CREATE OR REPLACE TEMP TABLE sample (
    period_id BIGINT,
    class_id BIGINT,
    weight DOUBLE,
    number DOUBLE,
    conversation_id VARCHAR,
    place BIGINT,
    n BIGINT,
    middle DOUBLE,
    total DOUBLE,
    first_middle DOUBLE,
    even BOOLEAN
);

CREATE OR REPLACE TEMP TABLE holistic (
    period_id BIGINT,
    class_id BIGINT,
    value DOUBLE,
    n BIGINT,
    effective_count DOUBLE,
    standard_error DOUBLE,
    degrees DOUBLE,
    bound_low DOUBLE,
    bound_high DOUBLE
);
