-- The version of a metric that was in force when a version of a ratio that reads it was entered.
SELECT r.version
FROM metric_definitions AS own
JOIN metric_definitions AS r
    ON r.workspace_id = own.workspace_id
    AND r.valid_from <= own.valid_from
    AND (r.valid_to IS NULL OR r.valid_to > own.valid_from)
WHERE own.workspace_id = $workspace_id AND own.key = $key AND own.version = $version AND r.key = $read_key
ORDER BY own.valid_from DESC
LIMIT 1;
