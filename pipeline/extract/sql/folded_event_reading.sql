-- reads: event_reading, todo; variables workspace_id, todo_since, todo_until
-- leaves: rows of reading: what events say of the conversation that they belong to, in order
INSERT INTO reading BY NAME
SELECT
    e.metric_key,
    e.conversation_id,
    NULL::VARCHAR AS participant,
    NULL::BIGINT AS segment,
    row_number() OVER (
        PARTITION BY e.metric_key, e.conversation_id ORDER BY e.observed_at NULLS FIRST, e.sequence, e.event_id
    ) AS position,
    e.value,
    e.present,
    CASE WHEN NOT e.applies THEN 'not_applicable' END AS state
FROM event_reading AS e
SEMI JOIN todo USING (metric_key, conversation_id)
WHERE e.workspace_id = getvariable('workspace_id')
    AND e.ingested_at BETWEEN getvariable('todo_since') AND getvariable('todo_until');
