-- The conversations to erase, by what was asked for: `erased`. An id of which nothing is stored is erased, too, so that it
-- does not come in later.
CREATE OR REPLACE TEMP TABLE erased AS
SELECT DISTINCT conversation_id
FROM (
    SELECT unnest(from_json($ids, '["VARCHAR"]')) AS conversation_id
    UNION ALL
    SELECT conversation_id
    FROM events
    WHERE workspace_id = $workspace_id
      AND (
          participant IN (SELECT unnest(from_json($participants, '["VARCHAR"]')))
          OR session_id IN (SELECT unnest(from_json($sessions, '["VARCHAR"]')))
      )
    UNION ALL
    SELECT conversation_id
    FROM superseded_events
    WHERE workspace_id = $workspace_id
      AND (
          participant IN (SELECT unnest(from_json($participants, '["VARCHAR"]')))
          OR session_id IN (SELECT unnest(from_json($sessions, '["VARCHAR"]')))
      )
)
WHERE conversation_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE erased_events AS
SELECT event_id, event_type, occurred_at, source_key, document, file_id
FROM events
WHERE workspace_id = $workspace_id AND conversation_id IN (SELECT conversation_id FROM erased)
UNION ALL
SELECT event_id, event_type, NULL, source_key, document, file_id
FROM superseded_events
WHERE workspace_id = $workspace_id AND conversation_id IN (SELECT conversation_id FROM erased);

-- For restate.sql: the hours of events that counted until now.
CREATE OR REPLACE TEMP TABLE changed_events AS
SELECT DISTINCT event_type, occurred_at FROM erased_events WHERE occurred_at IS NOT NULL;
