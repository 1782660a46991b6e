-- Free questions that one process has asked.
DELETE FROM judge_questions
WHERE workspace_id = $workspace_id AND holder = $holder
    AND request_hash IN (SELECT unnest(from_json($hashes, '["VARCHAR"]')))
