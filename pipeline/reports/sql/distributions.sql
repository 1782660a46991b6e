-- Category rows beside the summary rows in `wanted` as known at an instant (null: now), most frequent first.
SELECT p.*
FROM metric_periods AS p
JOIN wanted AS w
    ON p.metric_key = w.metric_key
    AND p.definition_version = w.definition_version
    AND p.traffic = w.traffic
    AND p.service_id IS NOT DISTINCT FROM w.service_id
    AND p.granularity = w.granularity
    AND p.period_start = w.period_start
WHERE p.workspace_id = $workspace_id
    AND p.category IS NOT NULL
    AND ($as_known_at::TIMESTAMPTZ IS NULL OR p.computed_at <= $as_known_at::TIMESTAMPTZ)
    AND (p.superseded_at IS NULL OR p.superseded_at > $as_known_at::TIMESTAMPTZ)
ORDER BY p.value DESC NULLS LAST, p.category;
