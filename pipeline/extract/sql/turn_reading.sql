-- reads: todo, todo_conversation, reader, definition
-- leaves: rows of reading: what each path finds in a turn; `found` is put in by the caller
INSERT INTO reading BY NAME
WITH turn AS (
    SELECT conversation_id, unnest(turns, max_depth := 2)
    FROM todo_conversation
),

asked AS (
    SELECT conversation_id, role, participant, index, /*found*/ AS found
    FROM turn
)

SELECT
    t.metric_key,
    t.conversation_id,
    coalesce(a.participant, a.role) AS participant,
    a.index AS segment,
    a.index AS position,
    a.found[r.reading_index] AS value,
    r.reading_index IS NULL AS present,
    NULL::VARCHAR AS state
FROM todo AS t
JOIN reader AS r USING (metric_key)
JOIN definition AS d USING (metric_key)
JOIN asked AS a USING (conversation_id)
WHERE d.participant_role IS NULL OR a.role = d.participant_role;
