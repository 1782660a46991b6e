-- The events of the hours to aggregate, and those without an instant that arrived in the window: they have a value and
-- belong to no period.
SELECT v.metric_key, v.status, count(*) AS events, 0 AS without_instant
FROM event_value AS v
SEMI JOIN event_hour AS h ON h.metric_key = v.metric_key AND h.hour = hour_of(v.observed_at)
WHERE v.workspace_id = $workspace_id
    AND v.observed_at >= getvariable('event_since')
    AND v.observed_at < getvariable('event_until')
GROUP BY ALL
UNION ALL
SELECT v.metric_key, v.status, count(*), count(*)
FROM event_value AS v
WHERE v.workspace_id = $workspace_id
    AND v.observed_at IS NULL
    AND v.ingested_at >= $window_start
    AND v.ingested_at < $window_end
GROUP BY ALL;
