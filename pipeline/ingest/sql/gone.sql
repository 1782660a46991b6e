-- Stale conversations of which no event is left: every row about them goes, and the hours of their values become stale.
CREATE OR REPLACE TEMP TABLE gone AS
SELECT conversation_id, first_arrival_at, last_arrival_at
FROM conversations
WHERE workspace_id = $workspace_id
  AND conversation_id IN (SELECT conversation_id FROM stale_conversations WHERE workspace_id = $workspace_id)
  AND conversation_id NOT IN (SELECT conversation_id FROM stale_batches);

SET VARIABLE gone_since = (SELECT min(first_arrival_at) FROM gone);

INSERT INTO stale_periods BY NAME
SELECT DISTINCT
    workspace_id, metric_key, definition_version, time_bucket(INTERVAL 1 HOUR, observed_at) AS hour, 'corrected' AS reason
FROM metric_values
WHERE workspace_id = $workspace_id
  AND first_arrival_at >= getvariable('gone_since')
  AND entity_type = 'conversation'
  AND entity_id IN (SELECT conversation_id FROM gone)
  AND observed_at IS NOT NULL;

DELETE FROM metric_values
WHERE workspace_id = $workspace_id
  AND first_arrival_at >= getvariable('gone_since')
  AND entity_type = 'conversation'
  AND entity_id IN (SELECT conversation_id FROM gone);

DELETE FROM conversations
WHERE workspace_id = $workspace_id AND conversation_id IN (SELECT conversation_id FROM gone);

DELETE FROM stale_conversations
WHERE workspace_id = $workspace_id AND conversation_id NOT IN (SELECT conversation_id FROM stale_batches);
