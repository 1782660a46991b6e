-- reads: metric_definitions
-- leaves: the body of one version of a metric, else of the version in force, else of the newest
SELECT version, body
FROM metric_definitions
WHERE workspace_id = $workspace_id AND key = $key AND version = coalesce($version, version)
ORDER BY valid_to IS NULL DESC, valid_from DESC
LIMIT 1;
