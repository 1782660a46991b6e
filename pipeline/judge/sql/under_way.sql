-- Which of some questions other runs are asking now.
SELECT request_hash, process, holder
FROM judge_questions
WHERE workspace_id = $workspace_id AND holder <> $holder AND expires_at > $now
    AND request_hash IN (SELECT unnest(from_json($hashes, '["VARCHAR"]')))
