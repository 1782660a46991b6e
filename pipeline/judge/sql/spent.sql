-- What this run and this day have spent or may still spend.
WITH spent AS (
    SELECT run_id, 1 AS calls, cost_usd AS usd, received_at >= $day AS today
    FROM judge_answers
    WHERE workspace_id = $workspace_id AND (received_at >= $day OR run_id = $run_id)
    UNION ALL
    SELECT run_id, calls, usd, true
    FROM judge_reservations
    WHERE workspace_id = $workspace_id AND expires_at > $now
    UNION ALL
    SELECT run_id, len(request_hashes), usd, true
    FROM judge_batches
    WHERE workspace_id = $workspace_id AND finished_at IS NULL
)
SELECT
    coalesce(sum(usd) FILTER (run_id = $run_id), 0) AS usd_run,
    coalesce(sum(usd) FILTER (today), 0) AS usd_day,
    coalesce(sum(calls) FILTER (run_id = $run_id), 0) AS calls_run,
    coalesce(sum(calls) FILTER (today), 0) AS calls_day
FROM spent
