SELECT v.metric_key, v.status, count(*) AS events
FROM event_value AS v
SEMI JOIN event_hour AS h ON h.metric_key = v.metric_key AND h.hour = hour_of(v.observed_at)
WHERE v.workspace_id = $workspace_id
    AND v.observed_at >= getvariable('event_since')
    AND v.observed_at < getvariable('event_until')
GROUP BY ALL;
