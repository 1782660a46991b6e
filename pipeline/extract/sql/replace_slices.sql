-- A conversation that was erased while it was being looked at has no values.
SET VARIABLE erased_since = (
    SELECT min(fresh.first_arrival_at) FROM fresh WHERE EXISTS (FROM tombstones WHERE workspace_id = $workspace_id)
);

DELETE FROM fresh
WHERE getvariable('erased_since') IS NOT NULL
  AND entity_id NOT IN (
      SELECT conversation_id
      FROM conversations
      WHERE workspace_id = $workspace_id AND first_arrival_at >= getvariable('erased_since')
  );

-- The hours of the rows that go and of the rows that come. A value without an instant belongs to no period.
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT DISTINCT metric_key, definition_version, entity_id, first_arrival_at FROM fresh;

SET VARIABLE replaced_since = (SELECT min(first_arrival_at) FROM replaced);

INSERT INTO stale_periods BY NAME
SELECT DISTINCT
    $workspace_id AS workspace_id,
    metric_key,
    definition_version,
    hour_of(observed_at) AS hour
FROM (
    SELECT v.metric_key, v.definition_version, v.observed_at
    FROM metric_values AS v
    SEMI JOIN replaced USING (metric_key, definition_version, entity_id, first_arrival_at)
    WHERE v.workspace_id = $workspace_id
        AND v.entity_type = 'conversation'
        AND v.first_arrival_at >= getvariable('replaced_since')
    UNION ALL
    SELECT metric_key, definition_version, observed_at FROM fresh
)
WHERE observed_at IS NOT NULL;

DELETE FROM metric_values AS v
USING replaced AS r
WHERE v.workspace_id = $workspace_id
    AND v.entity_type = 'conversation'
    AND v.first_arrival_at >= getvariable('replaced_since')
    AND v.metric_key = r.metric_key
    AND v.definition_version = r.definition_version
    AND v.entity_id = r.entity_id
    AND v.first_arrival_at = r.first_arrival_at;

INSERT INTO metric_values BY NAME
SELECT
    * REPLACE (coalesce(sample_index, 0) AS sample_index, coalesce(attempts, 0) AS attempts),
    $workspace_id AS workspace_id,
    'conversation' AS entity_type,
    $now AS computed_at,
    $run_id AS run_id
FROM fresh;

DROP TABLE replaced;
