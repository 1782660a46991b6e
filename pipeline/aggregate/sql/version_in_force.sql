-- reads: metric_definitions
-- leaves: the version of one metric that is in force
SELECT version
FROM metric_definitions
WHERE workspace_id = $workspace_id AND key = $key AND valid_to IS NULL;
