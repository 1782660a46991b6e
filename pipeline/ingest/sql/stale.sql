-- The events of stale conversations (`stale_events`), by batches of about $batch_bytes of data, so that memory does not
-- grow with their number. Only ids are read of the whole table: rows that changed lately stand together at its end.

CREATE OR REPLACE TEMP TABLE stale_rows AS
SELECT rowid AS row
FROM events
WHERE workspace_id = $workspace_id
  AND conversation_id IN (SELECT conversation_id FROM stale_conversations WHERE workspace_id = $workspace_id);

CREATE OR REPLACE TEMP TABLE stale_batches AS
WITH sizes AS (
    SELECT conversation_id, sum(strlen(data) + 1000) AS size
    FROM events
    WHERE rowid IN (SELECT row FROM stale_rows)
    GROUP BY conversation_id
)
SELECT conversation_id, CAST(sum(size) OVER (ORDER BY conversation_id) // $batch_bytes AS BIGINT) AS batch
FROM sizes;

CREATE OR REPLACE TEMP TABLE stale_events AS
SELECT batch, events.* EXCLUDE (workspace_id, source_key, file_id)
FROM events JOIN stale_batches USING (conversation_id)
WHERE events.rowid IN (SELECT row FROM stale_rows)
ORDER BY batch;
