-- Hours whose events are others than when they were aggregated (`changed_events`: event_type, occurred_at), for reasons
-- that leave no arrival in them: for each metric over single events that a run has covered the hour for, it is stale.
SET VARIABLE changed_since = (SELECT min(occurred_at) FROM changed_events);

INSERT INTO stale_periods BY NAME
WITH hours AS (
    SELECT DISTINCT event_type, time_bucket(INTERVAL 1 HOUR, occurred_at) AS hour FROM changed_events
),
readers AS (
    SELECT
        key AS metric_key, version AS definition_version,
        unnest(list_distinct(list_concat(
            from_json(body -> '$.event_types', '["VARCHAR"]'),
            [body ->> '$.ratio_numerator_event', body ->> '$.ratio_denominator_event']
        ))) AS event_type
    FROM metric_definitions
    WHERE workspace_id = $workspace_id
      AND valid_to IS NULL
      AND (body ->> '$.source') IN (
          'world_events', 'surface_events', 'emotion_events', 'connector_events', 'zerobus_events', 'custom'
      )
      AND coalesce(body ->> '$.extraction_mode', 'static') IN ('static', 'sql_expr')
      AND (body ->> '$.fold') IS NULL
)
SELECT DISTINCT $workspace_id AS workspace_id, metric_key, definition_version, hour, $reason AS reason
FROM hours JOIN readers USING (event_type)
WHERE EXISTS (
    SELECT 1
    FROM extraction_runs AS r
    WHERE r.workspace_id = $workspace_id
      AND r.window_end > getvariable('changed_since')
      AND r.failure IS NULL
      AND r.metric_key = readers.metric_key
      AND r.definition_version = readers.definition_version
      AND r.window_start <= hours.hour
      AND r.window_end > hours.hour
);
