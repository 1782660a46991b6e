-- Period rows of all services whose numbers are other than they were known at an instant.
SELECT
    a.metric_key,
    a.granularity,
    a.period_start,
    a.unit,
    b.value AS value_before,
    a.value AS value_after,
    b.event_count AS count_before,
    a.event_count AS count_after,
    a.revision
FROM metric_periods AS a
JOIN metric_periods AS b
    ON b.workspace_id = a.workspace_id
    AND b.metric_key = a.metric_key
    AND b.definition_version = a.definition_version
    AND b.traffic = a.traffic
    AND b.service_id IS NOT DISTINCT FROM a.service_id
    AND b.granularity = a.granularity
    AND b.period_start = a.period_start
    AND b.category IS NOT DISTINCT FROM a.category
    AND b.computed_at <= $since
    AND b.superseded_at > $since
WHERE
    a.workspace_id = $workspace_id
    AND a.computed_at > $since
    AND a.superseded_at IS NULL
    AND a.service_id IS NULL
    AND a.category IS NULL
    AND a.period_end <= $until
    AND (a.value IS DISTINCT FROM b.value OR a.event_count <> b.event_count)
ORDER BY
    abs(a.value - b.value) / nullif(abs(b.value), 0) DESC NULLS LAST,
    a.metric_key,
    a.period_start
