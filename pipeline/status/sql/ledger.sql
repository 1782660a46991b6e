-- For each definition version: the hourly windows that are done, and those that were only ever tried in vain.
WITH hours AS (
    SELECT
        metric_key, definition_version, window_end,
        bool_or(failure IS NULL) AS done,
        list(failure ORDER BY started_at DESC)[1] AS last_failure
    FROM extraction_runs
    WHERE workspace_id = $workspace_id AND window_end > $first AND window_end <= $last
    GROUP BY ALL
)

SELECT
    metric_key, definition_version,
    coalesce(list(window_end ORDER BY window_end) FILTER (done), []) AS done,
    coalesce(list(window_end ORDER BY window_end) FILTER (NOT done), []) AS failing,
    list(last_failure ORDER BY window_end DESC) FILTER (NOT done)[1] AS last_failure
FROM hours
GROUP BY ALL
