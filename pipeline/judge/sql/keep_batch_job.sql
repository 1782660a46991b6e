-- Replace a batch job's row.
DELETE FROM judge_batches WHERE workspace_id = $workspace_id AND job_id = $job_id;
INSERT INTO judge_batches BY NAME
SELECT $workspace_id AS workspace_id, $job_id AS job_id, $batch_id AS batch_id, $base_url AS base_url, $model AS model,
    $mode AS mode, $status AS status, $request_hashes::VARCHAR[] AS request_hashes, $usd::DOUBLE AS usd,
    $run_id AS run_id, $submitted_at::TIMESTAMPTZ AS submitted_at, $finished_at::TIMESTAMPTZ AS finished_at,
    $failure AS failure;
