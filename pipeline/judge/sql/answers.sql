-- Answers to the requests of one piece of work, oldest first.
SELECT request_hash, outcome, raw, finish_reason, model, returned_model, mode, seconds
FROM judge_answers
WHERE workspace_id = $workspace_id AND request_hash IN (SELECT unnest(from_json($hashes, '["VARCHAR"]')))
ORDER BY request_hash, received_at
