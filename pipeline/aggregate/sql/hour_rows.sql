-- reads: known_periods
-- leaves: the rows of production's hours, over all services
SELECT *
FROM known_periods($workspace_id, NULL, TIMESTAMPTZ 'infinity')
WHERE list_contains($keys::VARCHAR[], metric_key)
    AND granularity = 'hour'
    AND period_start >= $start
    AND period_start < $end
    AND traffic = 'production'
    AND service_id IS NULL
    AND category IS NULL;
