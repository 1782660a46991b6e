-- One run in one row.
SELECT
    min(window_start) AS window_start,
    max(window_end) AS window_end,
    count(DISTINCT metric_key) AS metrics,
    coalesce(list(DISTINCT metric_key ORDER BY metric_key) FILTER (failure IS NOT NULL), []) AS failed,
    coalesce(sum(eligible_count), 0)::BIGINT AS eligible_count,
    coalesce(sum(ok_count), 0)::BIGINT AS ok_count,
    coalesce(sum(cost_usd), 0) AS cost_usd
FROM extraction_runs
WHERE workspace_id = $workspace_id AND run_id = $run_id;
