-- Until when each definition version is done, and how much the run of its last hour found. A row of an hour that has
-- not begun, which earlier releases could be made to write, says nothing about the present.
SELECT
    metric_key,
    definition_version,
    max(window_end) AS done_until,
    arg_max(eligible_count, (window_end, started_at)) AS eligible
FROM extraction_runs
WHERE workspace_id = $workspace_id AND failure IS NULL AND window_end <= $last_end
GROUP BY metric_key, definition_version
