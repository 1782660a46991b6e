-- reads: event_hour
-- leaves: rows of stale_periods for the hours of metrics over single events
INSERT INTO stale_periods BY NAME
SELECT $workspace_id AS workspace_id, metric_key, definition_version, hour
FROM event_hour;
