-- Stored hour rows as parts of the spans that hold them. Takes `spans` (span_start, span_end).

CREATE OR REPLACE TEMP TABLE hours AS
SELECT row_number() OVER () AS slice_id, spans.*, p.*
FROM known_periods($workspace_id, $version, coalesce($as_known_at::TIMESTAMPTZ, TIMESTAMPTZ 'infinity')) AS p
JOIN spans ON p.period_start >= spans.span_start AND p.period_end <= spans.span_end
WHERE p.granularity = 'hour'
    AND list_contains($keys::VARCHAR[], p.metric_key)
    AND ($traffic = 'all' OR p.traffic = $traffic);

CREATE OR REPLACE TEMP TABLE plan AS
SELECT
    row_number() OVER () AS plan_id,
    metric_key,
    definition_version,
    arg_max(metric_type, period_start) AS metric_type,
    arg_max(aggregation, period_start) AS aggregation,
    arg_max(unit, period_start) AS unit,
    arg_max(selection, period_start) AS selection,
    NULL::DOUBLE AS quantile
FROM hours
GROUP BY metric_key, definition_version;

CREATE OR REPLACE TEMP TABLE periods AS
SELECT row_number() OVER () AS period_id, *
FROM (
    SELECT DISTINCT plan.plan_id, 'span' AS granularity, h.span_start AS period_start, h.span_end AS period_end
    FROM hours AS h
    JOIN plan USING (metric_key, definition_version)
);

CREATE OR REPLACE TEMP TABLE places AS
SELECT h.slice_id, periods.period_id, false AS alone
FROM hours AS h
JOIN plan USING (metric_key, definition_version)
JOIN periods
    ON periods.plan_id = plan.plan_id
    AND periods.period_start = h.span_start
    AND periods.period_end = h.span_end;

-- Rows of all services are stored, and need not be merged from those of each.
CREATE OR REPLACE TEMP TABLE classes AS
SELECT row_number() OVER () AS class_id, * FROM (SELECT DISTINCT traffic, service_id FROM hours);

CREATE OR REPLACE TEMP TABLE memberships AS
SELECT class_id AS member_id, class_id, true AS alone FROM classes;

CREATE OR REPLACE TEMP MACRO stored_parts() AS TABLE
SELECT classes.class_id AS member_id, h.*
FROM hours AS h
JOIN classes ON classes.traffic = h.traffic AND classes.service_id IS NOT DISTINCT FROM h.service_id;

CREATE OR REPLACE TEMP TABLE value_parts AS
SELECT
    slice_id, member_id, event_count, value_sum, value_sum_squares, value_min, value_max, true_count, numerator,
    denominator,
    avg_confidence * event_count AS confidence_sum,
    CASE WHEN avg_confidence IS NOT NULL THEN event_count END AS confidence_count
FROM stored_parts()
WHERE category IS NULL AND event_count > 0;

CREATE OR REPLACE TEMP TABLE state_parts AS
SELECT
    slice_id,
    member_id,
    eligible_count - event_count AS without_value_count,
    not_applicable_count,
    abstained_count,
    missing_count,
    out_of_range_count,
    unknown_category_count,
    wrong_type_count,
    parse_error_count,
    error_count,
    not_sampled_count,
    over_cap_count,
    over_budget_count,
    no_model_count,
    pending_count
FROM stored_parts()
WHERE category IS NULL AND eligible_count > event_count;

CREATE OR REPLACE TEMP TABLE category_parts AS
SELECT
    slice_id, member_id, category, true_count,
    avg_confidence * true_count AS confidence_sum,
    CASE WHEN avg_confidence IS NOT NULL THEN true_count END AS confidence_count
FROM stored_parts()
WHERE category IS NOT NULL;

-- What needs every value cannot be merged; `merge_parts` has refused it.
CREATE OR REPLACE TEMP TABLE holistic (
    period_id BIGINT,
    class_id BIGINT,
    value DOUBLE,
    interval_low DOUBLE,
    interval_high DOUBLE
);
