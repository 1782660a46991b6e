-- The events of stale conversations (`stale_events`), by batches of about $batch_bytes of data, so that memory does not
-- grow with their number. Of the data, only that of arrivals with such an event is read: an old conversation that goes on
-- takes its ids and arrivals to find, but not what came between.

SET VARIABLE stale_since = (
    SELECT min(coalesce(c.first_arrival_at, s.arrived_at, TIMESTAMPTZ '-infinity'))
    FROM stale_conversations AS s
    LEFT JOIN conversations AS c USING (workspace_id, conversation_id)
    WHERE s.workspace_id = $workspace_id
);

CREATE OR REPLACE TEMP TABLE stale_arrivals AS
SELECT DISTINCT ingested_at
FROM events
WHERE workspace_id = $workspace_id
  AND ingested_at >= getvariable('stale_since')
  AND conversation_id IN (SELECT conversation_id FROM stale_conversations WHERE workspace_id = $workspace_id);

CREATE OR REPLACE TEMP TABLE stale_batches AS
WITH sizes AS (
    SELECT conversation_id, sum(strlen(data) + 1000) AS size
    FROM events
    WHERE workspace_id = $workspace_id
      AND ingested_at >= getvariable('stale_since') AND ingested_at IN (SELECT ingested_at FROM stale_arrivals)
      AND conversation_id IN (SELECT conversation_id FROM stale_conversations WHERE workspace_id = $workspace_id)
    GROUP BY conversation_id
)
SELECT
    conversation_id,
    -- The first arrival stays what it was when the events that arrived first have been replaced since.
    c.first_arrival_at AS known_since,
    changed_at,
    CAST(sum(size) OVER (ORDER BY conversation_id) // $batch_bytes AS BIGINT) AS batch
FROM sizes
LEFT JOIN (
    SELECT conversation_id, max(arrived_at) AS changed_at
    FROM stale_conversations
    WHERE workspace_id = $workspace_id
    GROUP BY conversation_id
) USING (conversation_id)
LEFT JOIN (
    SELECT conversation_id, first_arrival_at
    FROM conversations
    WHERE workspace_id = $workspace_id
      AND conversation_id IN (SELECT conversation_id FROM stale_conversations WHERE workspace_id = $workspace_id)
) AS c USING (conversation_id);

CREATE OR REPLACE TEMP TABLE stale_events AS
SELECT batch, events.* EXCLUDE (workspace_id)
FROM events JOIN stale_batches USING (conversation_id)
WHERE workspace_id = $workspace_id
  AND ingested_at >= getvariable('stale_since') AND ingested_at IN (SELECT ingested_at FROM stale_arrivals)
ORDER BY batch;
