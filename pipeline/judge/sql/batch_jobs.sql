-- Batch jobs whose answers have not been fetched.
SELECT job_id, batch_id, base_url, model, mode, request_hashes, usd, run_id, submitted_at
FROM judge_batches
WHERE workspace_id = $workspace_id AND finished_at IS NULL
ORDER BY submitted_at
