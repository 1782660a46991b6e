-- reads: conversations, stale_conversations, stale_periods
-- leaves: one row: how many there are of each
SELECT
    (SELECT count(*) FROM conversations WHERE workspace_id = $workspace_id) AS conversations,
    (SELECT count(*) FROM conversations WHERE workspace_id = $workspace_id AND started_at IS NULL) AS without_instant,
    (SELECT count(*) FROM stale_conversations WHERE workspace_id = $workspace_id) AS stale_conversations,
    (SELECT count(*) FROM stale_periods WHERE workspace_id = $workspace_id) AS stale_periods
