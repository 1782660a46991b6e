-- The events of stale conversations (`stale_events`), by batches of about $batch_bytes of data, so that memory does not
-- grow with their number. What arrived before the first event of all of them is not read.

SET VARIABLE stale_since = (
    SELECT min(coalesce(c.first_arrival_at, s.arrived_at, TIMESTAMPTZ '-infinity'))
    FROM stale_conversations AS s
    LEFT JOIN conversations AS c USING (workspace_id, conversation_id)
    WHERE s.workspace_id = $workspace_id
);

CREATE OR REPLACE TEMP TABLE stale_rows AS
SELECT rowid AS row
FROM events
WHERE workspace_id = $workspace_id
  AND ingested_at >= getvariable('stale_since')
  AND conversation_id IN (SELECT conversation_id FROM stale_conversations WHERE workspace_id = $workspace_id);

CREATE OR REPLACE TEMP TABLE stale_batches AS
WITH sizes AS (
    SELECT conversation_id, sum(strlen(data) + 1000) AS size
    FROM events
    WHERE ingested_at >= getvariable('stale_since') AND rowid IN (SELECT row FROM stale_rows)
    GROUP BY conversation_id
)
SELECT conversation_id, CAST(sum(size) OVER (ORDER BY conversation_id) // $batch_bytes AS BIGINT) AS batch
FROM sizes;

CREATE OR REPLACE TEMP TABLE stale_events AS
SELECT batch, events.* EXCLUDE (workspace_id, source_key, file_id)
FROM events JOIN stale_batches USING (conversation_id)
WHERE ingested_at >= getvariable('stale_since') AND events.rowid IN (SELECT row FROM stale_rows)
ORDER BY batch;
