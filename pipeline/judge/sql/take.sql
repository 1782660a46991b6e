-- Reserve questions for one process. What has expired, or is taken from a dead process, goes.
DELETE FROM judge_questions
WHERE workspace_id = $workspace_id
    AND (expires_at <= $now OR request_hash IN (SELECT unnest(from_json($hashes, '["VARCHAR"]'))));
INSERT INTO judge_questions BY NAME
SELECT $workspace_id AS workspace_id, unnest(from_json($hashes, '["VARCHAR"]')) AS request_hash, $holder AS holder,
    $process AS process, $expires_at::TIMESTAMPTZ AS expires_at;
