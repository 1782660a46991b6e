-- reads: metric_periods; wanted (metric_key, definition_version, traffic, service_id, granularity, period_start)
-- leaves: the summary row of the period that ends where each wanted one starts
SELECT p.*, w.period_start AS wanted_period_start
FROM metric_periods AS p
JOIN wanted AS w
    ON p.metric_key = w.metric_key
    AND p.definition_version = w.definition_version
    AND p.traffic = w.traffic
    AND p.service_id IS NOT DISTINCT FROM w.service_id
    AND p.granularity = w.granularity
    AND p.period_end = w.period_start
WHERE p.workspace_id = $workspace_id AND p.category IS NULL AND p.superseded_at IS NULL;
