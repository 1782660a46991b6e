-- When each hour was first done for each metric, under whatever version, and since when the metric has been defined.
SELECT
    r.metric_key,
    r.window_end,
    min(r.started_at + to_microseconds((r.seconds * 1e6)::BIGINT)) FILTER (r.failure IS NULL) AS done_at,
    arg_max(r.eligible_count, r.started_at) FILTER (r.failure IS NULL) AS eligible,
    any_value(d.defined_at) AS defined_at
FROM extraction_runs AS r
LEFT JOIN (
    SELECT key, min(valid_from) AS defined_at FROM metric_definitions WHERE workspace_id = $workspace_id GROUP BY key
) AS d ON d.key = r.metric_key
WHERE r.workspace_id = $workspace_id AND r.window_end >= $first AND r.window_end <= $last
GROUP BY r.metric_key, r.window_end
