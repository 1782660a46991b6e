-- What one run did, by metric and window.
SELECT *
FROM extraction_runs
WHERE workspace_id = $workspace_id
    AND run_id = $run_id
    AND ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], metric_key))
ORDER BY metric_key, window_end;
