-- Runs, newest first; a run has a ledger row for each definition and window.
SELECT
    run_id,
    min(started_at) AS started_at,
    min(window_start) AS window_start,
    max(window_end) AS window_end,
    count(DISTINCT metric_key) AS metrics,
    count(*) FILTER (failure IS NOT NULL) AS failed,
    sum(eligible_count)::BIGINT AS eligible_count,
    sum(ok_count)::BIGINT AS ok_count,
    sum(not_applicable_count)::BIGINT AS not_applicable_count,
    sum(abstained_count)::BIGINT AS abstained_count,
    sum(missing_count)::BIGINT AS missing_count,
    sum(out_of_range_count)::BIGINT AS out_of_range_count,
    sum(unknown_category_count)::BIGINT AS unknown_category_count,
    sum(wrong_type_count)::BIGINT AS wrong_type_count,
    sum(parse_error_count)::BIGINT AS parse_error_count,
    sum(error_count)::BIGINT AS error_count,
    sum(not_sampled_count)::BIGINT AS not_sampled_count,
    sum(over_cap_count)::BIGINT AS over_cap_count,
    sum(over_budget_count)::BIGINT AS over_budget_count,
    sum(no_model_count)::BIGINT AS no_model_count,
    sum(pending_count)::BIGINT AS pending_count,
    sum(reused_count)::BIGINT AS reused_count,
    sum(calls)::BIGINT AS calls,
    sum(tokens_in)::BIGINT AS tokens_in,
    sum(tokens_cached)::BIGINT AS tokens_cached,
    sum(tokens_out)::BIGINT AS tokens_out,
    sum(cost_usd) AS cost_usd,
    sum(seconds) AS seconds,
    count(*) OVER () AS total
FROM extraction_runs
WHERE workspace_id = $workspace_id
    AND ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], metric_key))
GROUP BY run_id
ORDER BY started_at DESC, run_id
LIMIT $limit OFFSET $offset;
