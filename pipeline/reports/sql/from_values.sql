-- One metric's values, grouped by {group} and the spans in `spans`: what period rows hold, for groups that have none.
WITH entered AS (
    SELECT
        s.span_start,
        s.span_end,
        {group} AS group_key,
        v.traffic,
        v.metric_key,
        v.definition_version,
        v.status,
        v.confidence,
        v.computed_at,
        v.value_number,
        v.value_boolean,
        v.value_text,
        coalesce(v.value_number, v.value_boolean::INTEGER) AS number
    FROM values_in_force($workspace_id) AS v
    JOIN spans AS s ON v.observed_at >= s.span_start AND v.observed_at < s.span_end
    WHERE v.metric_key = $key
        AND v.whole
        AND ($traffic = 'all' OR v.traffic = $traffic)
        AND ($service_id::VARCHAR IS NULL OR v.service_id = $service_id)
),

counted AS (
    SELECT
        span_start AS period_start,
        span_end AS period_end,
        group_key,
        traffic,
        any_value(metric_key) AS metric_key,
        any_value(definition_version) AS definition_version,
        max(computed_at) AS computed_at,
        count(*) AS eligible_count,
        count(*) FILTER (status = 'ok') AS event_count,
{states},
        avg(confidence) FILTER (status = 'ok') AS avg_confidence,
        avg(number) FILTER (status = 'ok') AS mean,
        stddev_samp(number) FILTER (status = 'ok') AS deviation,
        min(number) FILTER (status = 'ok') AS value_min,
        max(number) FILTER (status = 'ok') AS value_max,
        sum(number) FILTER (status = 'ok') AS value_sum,
        quantile_cont(number, [0.5, 0.9, 0.95, 0.99]) FILTER (status = 'ok') AS quantiles,
        count(*) FILTER (status = 'ok' AND value_boolean) AS true_count,
        count(DISTINCT coalesce(value_text, number::VARCHAR)) FILTER (status = 'ok') AS distinct_count,
        mode(value_text ORDER BY value_text) FILTER (status = 'ok') AS value_text
    FROM entered
    GROUP BY span_start, span_end, group_key, traffic
)

SELECT
    *,
    CASE $aggregation
        WHEN 'count' THEN event_count
        WHEN 'count_distinct' THEN distinct_count
        WHEN 'sum' THEN value_sum
        WHEN 'avg' THEN mean
        WHEN 'min' THEN value_min
        WHEN 'max' THEN value_max
        WHEN 'stddev' THEN deviation
        WHEN 'rate' THEN true_count / nullif(event_count, 0)
        WHEN 'median' THEN quantiles[1]
        WHEN 'p50' THEN quantiles[1]
        WHEN 'p90' THEN quantiles[2]
        WHEN 'p95' THEN quantiles[3]
        WHEN 'p99' THEN quantiles[4]
    END::DOUBLE AS value,
    event_count / nullif(eligible_count - not_applicable_count, 0) AS coverage,
    CASE WHEN $aggregation = 'rate' THEN wilson_low(true_count / nullif(event_count, 0), event_count) END AS interval_low,
    CASE WHEN $aggregation = 'rate' THEN wilson_high(true_count / nullif(event_count, 0), event_count) END AS interval_high,
    CASE WHEN $aggregation = 'rate' THEN 'wilson' ELSE 'none' END AS interval_method
FROM counted
ORDER BY period_start, eligible_count DESC, group_key NULLS LAST, traffic;
