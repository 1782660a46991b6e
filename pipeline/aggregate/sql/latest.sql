-- The newest period of each metric at the granularity that its definition asks for, or at the one that is given.
-- Both as they stood at $as_known_at; null is now. In two steps, so that only keys and starts of all periods are read, and whole rows of the newest ones.
WITH wanted AS (
    SELECT
        key,
        version,
        coalesce(
            $granularity, CASE body ->> '$.period_granularity' WHEN 'hourly' THEN 'hour' ELSE 'day' END
        ) AS granularity
    FROM metric_definitions
    WHERE workspace_id = $workspace_id
        AND valid_from <= coalesce($as_known_at::TIMESTAMPTZ, TIMESTAMPTZ 'infinity')
        AND (valid_to IS NULL OR valid_to > $as_known_at::TIMESTAMPTZ)
        AND ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], key))
),

newest AS (
    SELECT p.metric_key, p.definition_version, p.traffic, p.granularity, max(p.period_start) AS period_start
    FROM metric_periods AS p
    JOIN wanted AS w
        ON w.key = p.metric_key AND w.version = p.definition_version AND w.granularity = p.granularity
    WHERE p.workspace_id = $workspace_id
        AND p.category IS NULL
        AND ($as_known_at::TIMESTAMPTZ IS NULL OR p.computed_at <= $as_known_at::TIMESTAMPTZ)
        AND (p.superseded_at IS NULL OR p.superseded_at > $as_known_at::TIMESTAMPTZ)
        AND ($traffic = 'all' OR p.traffic = $traffic)
        AND p.service_id IS NOT DISTINCT FROM $service_id
    GROUP BY ALL
)

SELECT p.*
FROM metric_periods AS p
SEMI JOIN newest AS n
    ON p.metric_key = n.metric_key
    AND p.definition_version = n.definition_version
    AND p.traffic = n.traffic
    AND p.granularity = n.granularity
    AND p.period_start = n.period_start
WHERE p.workspace_id = $workspace_id
    AND p.category IS NULL
    AND ($as_known_at::TIMESTAMPTZ IS NULL OR p.computed_at <= $as_known_at::TIMESTAMPTZ)
    AND (p.superseded_at IS NULL OR p.superseded_at > $as_known_at::TIMESTAMPTZ)
    AND p.service_id IS NOT DISTINCT FROM $service_id
ORDER BY p.metric_key, p.traffic
LIMIT $limit OFFSET $offset;
