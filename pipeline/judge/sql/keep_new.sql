-- Answers of a batch, except those that were stored before a crash.
INSERT INTO judge_answers BY NAME
SELECT a.*
FROM arrived AS a
ANTI JOIN judge_answers AS j
    ON j.workspace_id = a.workspace_id AND j.request_hash = a.request_hash AND j.batch_id = a.batch_id
