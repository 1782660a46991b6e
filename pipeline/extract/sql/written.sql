-- reads: events, written_name, todo; variables workspace_id, todo_since, todo_until
-- leaves: rows of reading: what agents wrote of a metric themselves
INSERT INTO reading BY NAME
WITH numbered AS (
    SELECT
        t.metric_key,
        t.conversation_id,
        json_extract(e.data, '$.value') AS value,
        coalesce(try_cast((e.data ->> '$.write_once') AS BOOLEAN), FALSE) AS write_once,
        row_number() OVER (
            PARTITION BY t.metric_key, t.conversation_id ORDER BY e.occurred_at NULLS FIRST, e.sequence, e.event_id
        ) AS position
    FROM events AS e
    JOIN written_name AS n ON n.name = (e.data ->> '$.name')
    JOIN todo AS t ON t.metric_key = n.metric_key AND t.conversation_id = e.conversation_id
    WHERE e.workspace_id = getvariable('workspace_id')
        AND e.event_type = 'metric.written'
        AND e.ingested_at BETWEEN getvariable('todo_since') AND getvariable('todo_until')
)

SELECT
    metric_key,
    conversation_id,
    NULL::VARCHAR AS participant,
    NULL::BIGINT AS segment,
    position,
    value,
    value IS NULL OR json_type(value) = 'NULL' AS present,
    NULL::VARCHAR AS state
FROM numbered
QUALIFY position <= coalesce(
    min(position) FILTER (write_once) OVER (PARTITION BY metric_key, conversation_id), position
);
