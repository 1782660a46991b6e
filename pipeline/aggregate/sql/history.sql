-- reads: known_periods
-- leaves: the periods of one metric, newest first. A period belongs to the range in which it starts.
SELECT p.*
FROM known_periods($workspace_id, $version, coalesce($as_known_at::TIMESTAMPTZ, TIMESTAMPTZ 'infinity')) AS p
WHERE p.metric_key = $key
    AND p.granularity = $granularity
    AND ($categories OR p.category IS NULL)
    AND ($traffic = 'all' OR p.traffic = $traffic)
    AND p.service_id IS NOT DISTINCT FROM $service_id
    AND ($date_from::TIMESTAMPTZ IS NULL OR p.period_start >= $date_from::TIMESTAMPTZ)
    AND ($date_to::TIMESTAMPTZ IS NULL OR p.period_start < $date_to::TIMESTAMPTZ)
QUALIFY dense_rank() OVER (ORDER BY p.period_start DESC) <= $limit
ORDER BY p.period_start DESC, p.traffic, p.category NULLS FIRST;
