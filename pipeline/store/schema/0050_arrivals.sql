-- When a conversation's first event arrived never changes, so everything about the conversation is found by it: rows of
-- one time stand together in the tables, and what lies outside of a run's times is not read.
ALTER TABLE conversations ADD COLUMN first_arrival_at TIMESTAMPTZ;
UPDATE conversations AS c
SET first_arrival_at = e.first_arrival_at
FROM (SELECT workspace_id, conversation_id, min(ingested_at) AS first_arrival_at FROM events GROUP BY ALL) AS e
WHERE e.workspace_id = c.workspace_id AND e.conversation_id = c.conversation_id;

ALTER TABLE metric_values ADD COLUMN first_arrival_at TIMESTAMPTZ;
UPDATE metric_values AS v
SET first_arrival_at = c.first_arrival_at
FROM conversations AS c
WHERE c.workspace_id = v.workspace_id AND c.conversation_id = v.entity_id AND v.entity_type = 'conversation';

ALTER TABLE stale_conversations ADD COLUMN arrived_at TIMESTAMPTZ;

-- The zone whose days the period rows hold, so that another one is noticed without reading them.
CREATE TABLE period_zones (
    workspace_id VARCHAR NOT NULL,
    timezone VARCHAR NOT NULL
);
