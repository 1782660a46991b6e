-- reads: nothing
-- leaves: the macro call_status: how a call ended, in the contract's words
CREATE OR REPLACE TEMP MACRO call_status(completion_reason) AS CASE
    WHEN completion_reason IS NULL THEN 'unknown'
    WHEN completion_reason = 'no_answer' THEN 'no-answer'
    WHEN completion_reason = 'cancelled' THEN 'canceled'
    WHEN completion_reason = 'error' THEN 'failed'
    ELSE 'completed'
END;
