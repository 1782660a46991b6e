-- Until when each definition version is done.
SELECT metric_key, definition_version, max(window_end) AS done_until
FROM extraction_runs
WHERE workspace_id = $workspace_id AND failure IS NULL
GROUP BY metric_key, definition_version;
