-- reads: todo, todo_conversation, reader
-- leaves: rows of reading: what each path finds in a conversation; `found` is put in by the caller
INSERT INTO reading BY NAME
WITH asked AS (
    SELECT conversation_id, /*found*/ AS found
    FROM todo_conversation
)

SELECT
    t.metric_key,
    t.conversation_id,
    NULL::VARCHAR AS participant,
    NULL::BIGINT AS segment,
    0 AS position,
    a.found[r.reading_index] AS value,
    r.reading_index IS NULL AS present,
    NULL::VARCHAR AS state
FROM todo AS t
JOIN reader AS r USING (metric_key)
JOIN asked AS a USING (conversation_id);
