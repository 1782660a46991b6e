-- The events of one batch; `place` orders those of a conversation.
CREATE OR REPLACE TEMP TABLE slice AS
SELECT
    * EXCLUDE (batch),
    row_number() OVER (PARTITION BY conversation_id ORDER BY occurred_at NULLS LAST, sequence NULLS LAST, event_id)
        AS place
FROM stale_events
WHERE batch = $batch;
