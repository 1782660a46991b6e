-- The hours of the rows that go and of the rows that come. A value without an instant belongs to no period.
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT DISTINCT metric_key, definition_version, entity_id FROM fresh;

INSERT INTO stale_periods BY NAME
SELECT DISTINCT
    $workspace_id AS workspace_id,
    metric_key,
    definition_version,
    date_trunc('hour', observed_at) AS hour
FROM (
    SELECT v.metric_key, v.definition_version, v.observed_at
    FROM metric_values AS v
    SEMI JOIN replaced USING (metric_key, definition_version, entity_id)
    WHERE v.workspace_id = $workspace_id AND v.entity_type = 'conversation'
    UNION ALL
    SELECT metric_key, definition_version, observed_at FROM fresh
)
WHERE observed_at IS NOT NULL;

DELETE FROM metric_values AS v
USING replaced AS r
WHERE v.workspace_id = $workspace_id
    AND v.entity_type = 'conversation'
    AND v.metric_key = r.metric_key
    AND v.definition_version = r.definition_version
    AND v.entity_id = r.entity_id;

INSERT INTO metric_values BY NAME
SELECT
    * REPLACE (coalesce(sample_index, 0) AS sample_index, coalesce(attempts, 0) AS attempts),
    $workspace_id AS workspace_id,
    'conversation' AS entity_type,
    $now AS computed_at,
    $run_id AS run_id
FROM fresh;

DROP TABLE replaced;
