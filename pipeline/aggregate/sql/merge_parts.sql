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

CREATE OR REPLACE TEMP TABLE places AS
SELECT h.slice_id, plan.plan_id, 'span' AS granularity, h.span_start AS period_start, h.span_end AS period_end
FROM hours AS h
JOIN plan USING (metric_key, definition_version);

CREATE OR REPLACE TEMP TABLE parts AS
SELECT
    * EXCLUDE (granularity, period_start, period_end),
    avg_confidence * event_count AS confidence_sum,
    CASE WHEN avg_confidence IS NOT NULL THEN event_count END AS confidence_count
FROM hours
WHERE category IS NULL;

CREATE OR REPLACE TEMP TABLE category_parts AS
SELECT
    slice_id, traffic, service_id, category, true_count,
    avg_confidence * true_count AS confidence_sum,
    CASE WHEN avg_confidence IS NOT NULL THEN true_count END AS confidence_count
FROM hours
WHERE category IS NOT NULL;

-- What needs every value cannot be merged; `merge_parts` has refused it.
CREATE OR REPLACE TEMP TABLE holistic (
    plan_id BIGINT,
    traffic VARCHAR,
    service_id VARCHAR,
    granularity VARCHAR,
    period_start TIMESTAMPTZ,
    value DOUBLE,
    interval_low DOUBLE,
    interval_high DOUBLE
);
