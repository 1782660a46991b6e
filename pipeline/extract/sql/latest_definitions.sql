-- reads: metric_definitions
-- leaves: the newest version of each metric, and whether it has ended
SELECT key, version, metric_type, body, valid_to IS NOT NULL AS ended
FROM metric_definitions
WHERE workspace_id = $workspace_id
QUALIFY row_number() OVER (PARTITION BY key ORDER BY valid_from DESC, valid_to DESC NULLS FIRST) = 1;
