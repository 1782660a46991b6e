-- Stale conversations in batches of about $batch_events events, so that memory does not grow with their number.
CREATE OR REPLACE TEMP TABLE stale_batches AS
WITH sizes AS (
    SELECT conversation_id, count(events.event_id) AS events
    FROM (SELECT DISTINCT conversation_id FROM stale_conversations WHERE workspace_id = $workspace_id)
    LEFT JOIN (SELECT conversation_id, event_id FROM events WHERE workspace_id = $workspace_id) AS events
        USING (conversation_id)
    GROUP BY conversation_id
)
SELECT conversation_id, sum(events) OVER (ORDER BY conversation_id) // $batch_events AS batch
FROM sizes;
