-- Questions that a process has begun to ask: nobody else asks them until their answers are stored, or until expires_at
-- or the death of the process frees them.
CREATE TABLE judge_questions (
    workspace_id VARCHAR NOT NULL,
    request_hash VARCHAR NOT NULL,
    holder VARCHAR NOT NULL,
    process VARCHAR NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

-- Estimated input tokens beside those that were billed: their ratio corrects estimates.
ALTER TABLE judge_answers ADD COLUMN tokens_estimated BIGINT;
