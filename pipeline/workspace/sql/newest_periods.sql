-- The newest complete production period of each threshold in `thresholds_asked`.
SELECT t.threshold_id, p.*
FROM thresholds_asked AS t
JOIN current_periods AS p
    ON p.metric_key = t.metric_key
    AND p.granularity = t.granularity
    AND p.service_id IS NOT DISTINCT FROM t.service_id
WHERE p.workspace_id = $workspace_id
    AND p.traffic = 'production'
    AND p.category IS NULL
    AND p.period_end <= $now
QUALIFY row_number() OVER (PARTITION BY t.threshold_id ORDER BY p.period_start DESC) = 1;
