-- The newest complete production period of each alarm in `alarms_asked`.
SELECT a.alarm_id, p.*
FROM alarms_asked AS a
JOIN current_periods AS p
    ON p.metric_key = a.metric_key
    AND p.granularity = a.granularity
    AND p.service_id IS NOT DISTINCT FROM a.service_id
WHERE p.workspace_id = $workspace_id
    AND p.traffic = 'production'
    AND p.category IS NULL
    AND p.period_end <= $now
QUALIFY row_number() OVER (PARTITION BY a.alarm_id ORDER BY p.period_start DESC) = 1;
