-- The newest period of each metric at the granularity that its definition asks for, or at the one that is given.
SELECT p.*
FROM known_periods($workspace_id, NULL, TIMESTAMPTZ 'infinity') AS p
JOIN metric_definitions AS d
    ON d.workspace_id = p.workspace_id AND d.key = p.metric_key AND d.version = p.definition_version
WHERE d.valid_to IS NULL
    AND p.category IS NULL
    AND ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], p.metric_key))
    AND ($traffic = 'all' OR p.traffic = $traffic)
    AND p.service_id IS NOT DISTINCT FROM $service_id
    AND p.granularity = coalesce(
        $granularity, CASE d.body ->> '$.period_granularity' WHEN 'hourly' THEN 'hour' ELSE 'day' END
    )
QUALIFY p.period_start = max(p.period_start) OVER (PARTITION BY p.metric_key, p.traffic)
ORDER BY p.metric_key, p.traffic
LIMIT $limit OFFSET $offset;
