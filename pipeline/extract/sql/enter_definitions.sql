-- reads: changed, entered, metric_periods
-- leaves: metric_definitions with new versions, the old ones ended; rows of stale_periods for what is restated
UPDATE metric_definitions
SET valid_to = $now
WHERE workspace_id = $workspace_id
    AND valid_to IS NULL
    AND key IN (SELECT key FROM changed);

INSERT INTO metric_definitions BY NAME
SELECT *, $workspace_id AS workspace_id, $now AS valid_from
FROM entered;

INSERT INTO stale_periods BY NAME
SELECT DISTINCT p.workspace_id, p.metric_key, p.definition_version, p.period_start AS hour
FROM metric_periods AS p
JOIN entered AS e ON e.key = p.metric_key AND e.version = p.definition_version
JOIN changed AS c ON c.key = p.metric_key
WHERE p.workspace_id = $workspace_id
    AND c.restated
    AND p.granularity = 'hour'
    AND p.superseded_at IS NULL;
