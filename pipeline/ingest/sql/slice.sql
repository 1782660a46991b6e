-- The events of one batch; `place` orders those of a conversation.
CREATE OR REPLACE TEMP TABLE slice AS
SELECT
    * EXCLUDE (workspace_id, source_key, file_id),
    row_number() OVER (PARTITION BY conversation_id ORDER BY occurred_at NULLS LAST, sequence NULLS LAST, event_id)
        AS place
FROM events
WHERE workspace_id = $workspace_id
  AND conversation_id IN (SELECT conversation_id FROM stale_batches WHERE batch = $batch);
