-- reads: hours (known hour rows inside spans), plan
-- leaves: what scope, parts and the scripts before them leave of values: periods, classes, placed_values, strata,
--   hour_weights, drawn, placed_categories; and empty, as hour rows do not hold them, placed_numbers, placed_distinct, placed_units,
--   placed_unit_categories
CREATE OR REPLACE TEMP TABLE periods AS
SELECT row_number() OVER () AS period_id, *
FROM (
    SELECT DISTINCT plan.plan_id, 'span' AS granularity, h.span_start AS period_start, h.span_end AS period_end
    FROM hours AS h
    JOIN plan USING (metric_key, definition_version)
    WHERE plan.asked
);

-- Rows of all services are stored, and need not be merged from those of each.
CREATE OR REPLACE TEMP TABLE classes AS
SELECT row_number() OVER () AS class_id, *, NULL::VARCHAR AS group_key
FROM (SELECT DISTINCT traffic, service_id FROM hours);

CREATE OR REPLACE TEMP TABLE placed_hours AS
SELECT periods.period_id, classes.class_id, epoch_us(h.period_start) // 3_600_000_000 AS hour_number, plan.family, h.*
FROM hours AS h
JOIN plan USING (metric_key, definition_version)
JOIN periods
    ON periods.plan_id = plan.plan_id AND periods.period_start = h.span_start AND periods.period_end = h.span_end
JOIN classes ON classes.traffic = h.traffic AND classes.service_id IS NOT DISTINCT FROM h.service_id
WHERE plan.asked;

CREATE OR REPLACE TEMP TABLE placed_values AS
SELECT
    period_id, class_id, hour_number, event_count, value_sum, value_sum_squares, value_sum_cubes, value_sum_fourths,
    value_min, value_max, true_count, numerator, denominator,
    NULL::DOUBLE[] AS products,
    avg_confidence * event_count AS confidence_sum,
    CASE WHEN avg_confidence IS NOT NULL THEN event_count END AS confidence_count
FROM placed_hours
WHERE category IS NULL AND event_count > 0;

CREATE OR REPLACE TEMP TABLE strata AS
SELECT
    period_id, class_id, hour_number, eligible_count, event_count, not_applicable_count, abstained_count, missing_count,
    out_of_range_count, unknown_category_count, wrong_type_count, parse_error_count, error_count, not_sampled_count,
    over_cap_count, over_budget_count, no_model_count, pending_count
FROM placed_hours
WHERE category IS NULL;

CREATE OR REPLACE TEMP TABLE hour_weights AS
SELECT DISTINCT
    periods.plan_id,
    s.class_id,
    s.hour_number,
    s.eligible_count / nullif(s.eligible_count - s.not_sampled_count - s.over_cap_count - s.over_budget_count, 0) AS weight
FROM strata AS s
JOIN periods USING (period_id);

CREATE OR REPLACE TEMP TABLE drawn AS
SELECT plan.plan_id, h.traffic, epoch_us(h.period_start) // 3_600_000_000 AS hour_number, bool_or(h.selection = 'mixed') AS mixed
FROM hours AS h
JOIN plan USING (metric_key, definition_version)
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE placed_categories AS
SELECT
    period_id, class_id, hour_number, category, true_count,
    avg_confidence * true_count AS confidence_sum,
    CASE WHEN avg_confidence IS NOT NULL THEN true_count END AS confidence_count
FROM placed_hours
WHERE category IS NOT NULL;

CREATE OR REPLACE TEMP TABLE nothing_counted (
    period_id BIGINT,
    class_id BIGINT,
    hour_number BIGINT,
    numbers DOUBLE[],
    units VARCHAR[],
    distinct_values VARCHAR[],
    conversation_id VARCHAR,
    category VARCHAR,
    above DOUBLE,
    below DOUBLE
);
CREATE OR REPLACE TEMP VIEW placed_numbers AS FROM nothing_counted;
CREATE OR REPLACE TEMP VIEW placed_distinct AS FROM nothing_counted;
CREATE OR REPLACE TEMP VIEW placed_units AS FROM nothing_counted;
CREATE OR REPLACE TEMP VIEW placed_unit_categories AS FROM nothing_counted;
