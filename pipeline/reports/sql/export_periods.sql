-- Period rows of the definitions in force, superseded ones left out; without a service: of each and of all together.
SELECT
    p.* REPLACE (
        CASE WHEN $labels::VARCHAR[] IS NULL OR list_contains($labels::VARCHAR[], p.metric_key || '@' || p.definition_version) THEN p.value_text END
            AS value_text
    )
FROM current_periods AS p
WHERE p.workspace_id = $workspace_id
    AND ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], p.metric_key))
    AND (
        p.category IS NULL OR $labels::VARCHAR[] IS NULL OR list_contains($labels::VARCHAR[], p.metric_key || '@' || p.definition_version)
    )
    AND ($traffic = 'all' OR p.traffic = $traffic)
    AND ($service_id::VARCHAR IS NULL OR p.service_id = $service_id)
    AND ($date_from::TIMESTAMPTZ IS NULL OR p.period_start >= $date_from::TIMESTAMPTZ)
    AND ($date_to::TIMESTAMPTZ IS NULL OR p.period_start < $date_to::TIMESTAMPTZ)
ORDER BY p.metric_key, p.granularity, p.period_start, p.traffic, p.service_id NULLS FIRST, p.category NULLS FIRST
