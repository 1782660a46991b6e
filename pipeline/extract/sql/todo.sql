-- What the modes of the present batch are to extract: conversations of metrics, the conversations, and their events.
CREATE OR REPLACE TEMP TABLE todo AS
SELECT *
FROM work
WHERE state IS NULL AND metric_key IN (SELECT unnest(getvariable('batch')));

SET VARIABLE todo_since = (SELECT min(first_arrival_at) FROM todo);
SET VARIABLE todo_assembled_since = (SELECT min(last_arrival_at) FROM todo);
SET VARIABLE todo_until = (SELECT max(last_arrival_at) FROM todo);

CREATE OR REPLACE TEMP TABLE todo_conversation_id AS
SELECT DISTINCT conversation_id
FROM todo;

CREATE OR REPLACE TEMP VIEW todo_conversation AS
SELECT *
FROM conversations
WHERE workspace_id = getvariable('workspace_id')
    AND last_arrival_at BETWEEN getvariable('todo_assembled_since') AND getvariable('todo_until')
    AND conversation_id IN (FROM todo_conversation_id);
