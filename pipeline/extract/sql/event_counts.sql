SELECT v.metric_key, v.status, count(*) AS events
FROM event_value AS v
SEMI JOIN event_hour AS h ON h.metric_key = v.metric_key AND h.hour = date_trunc('hour', v.observed_at)
WHERE v.workspace_id = $workspace_id
    AND v.observed_at >= (SELECT min(hour) FROM event_hour)
GROUP BY ALL;
