INSERT INTO stale_periods BY NAME
SELECT $workspace_id AS workspace_id, metric_key, definition_version, hour
FROM event_hour;
