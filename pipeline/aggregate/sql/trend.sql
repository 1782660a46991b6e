-- The days of `trend_days` (span_start, span_end), oldest first, also those without a value.
SELECT
    days.span_start AS period_start,
    days.span_end AS period_end,
    t.traffic,
    $service_id AS service_id,
    p.* EXCLUDE (period_start, period_end, traffic, service_id, event_count, eligible_count),
    coalesce(p.event_count, 0) AS event_count,
    coalesce(p.eligible_count, 0) AS eligible_count
FROM trend_days AS days
CROSS JOIN (SELECT unnest($traffic::VARCHAR[]) AS traffic) AS t
LEFT JOIN (
    FROM known_periods($workspace_id, $version, TIMESTAMPTZ 'infinity')
    WHERE metric_key = $key
        AND granularity = 'day'
        AND category IS NULL
        AND service_id IS NOT DISTINCT FROM $service_id
) AS p
    ON p.period_start = days.span_start AND p.traffic = t.traffic
ORDER BY days.span_start, t.traffic;
