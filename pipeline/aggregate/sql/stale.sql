-- Which hours of which metric versions to recompute. Takes `reads` (a ratio's metric_key and definition_version, and
-- the version that it reads) and `foreign_days` (spans of day rows that the workspace's zone does not have).

-- Hours whose facts have expired keep the numbers that they have.
DELETE FROM stale_periods
WHERE workspace_id = $workspace_id
  AND hour < (
      SELECT max(until) FROM expirations WHERE workspace_id = $workspace_id AND kind IN ('events', 'values')
  );

-- A ratio changes with the metrics that it reads.
INSERT INTO stale_periods BY NAME
SELECT DISTINCT s.workspace_id, r.metric_key, r.definition_version, s.hour, s.reason
FROM stale_periods AS s
JOIN reads AS r ON s.metric_key = r.read_key AND s.definition_version = r.read_version
WHERE s.workspace_id = $workspace_id;

-- A ratio covers all that its metrics have, also from before it was defined or while it was inactive: every hour with
-- values has a period row. This is done once for each time that it comes into force.
CREATE OR REPLACE TEMP TABLE in_force AS
SELECT workspace_id, key AS metric_key, version AS definition_version, valid_from
FROM metric_definitions
WHERE workspace_id = $workspace_id AND valid_to IS NULL;

CREATE OR REPLACE TEMP TABLE entering AS
FROM reads
ANTI JOIN (
    FROM in_force SEMI JOIN covered_ratios USING (workspace_id, metric_key, definition_version, valid_from)
) USING (metric_key, definition_version);

INSERT INTO stale_periods BY NAME
SELECT DISTINCT p.workspace_id, r.metric_key, r.definition_version, p.period_start AS hour
FROM metric_periods AS p
JOIN entering AS r ON p.metric_key = r.read_key AND p.definition_version = r.read_version
ANTI JOIN metric_periods AS own
    ON own.workspace_id = $workspace_id
    AND own.metric_key = r.metric_key
    AND own.definition_version = r.definition_version
    AND own.granularity = 'hour'
    AND own.period_start = p.period_start
    AND own.superseded_at IS NULL
WHERE p.workspace_id = $workspace_id
    AND p.granularity = 'hour'
    AND p.superseded_at IS NULL;

INSERT INTO covered_ratios BY NAME
FROM in_force SEMI JOIN entering USING (metric_key, definition_version);

-- Likewise, the hour rows inside a day of another zone say what its new days hold.
CREATE OR REPLACE TEMP TABLE foreign_periods AS
SELECT DISTINCT metric_key, definition_version, granularity, period_start, period_end
FROM metric_periods
SEMI JOIN foreign_days ON span_start = period_start AND span_end = period_end
WHERE workspace_id = $workspace_id
    AND granularity = 'day'
    AND superseded_at IS NULL
    AND ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], metric_key));

INSERT INTO stale_periods BY NAME
SELECT DISTINCT $workspace_id AS workspace_id, p.metric_key, p.definition_version, p.period_start AS hour, 'zone' AS reason
FROM metric_periods AS p
JOIN foreign_periods AS f
    ON p.metric_key = f.metric_key
    AND p.definition_version = f.definition_version
    AND p.period_start < f.period_end
    AND p.period_end > f.period_start
WHERE p.workspace_id = $workspace_id AND p.granularity = 'hour' AND p.superseded_at IS NULL;

CREATE OR REPLACE TEMP TABLE taken AS
SELECT
    metric_key, definition_version, hour,
    string_agg(DISTINCT coalesce(reason, 'values'), ', ' ORDER BY coalesce(reason, 'values')) AS reason
FROM stale_periods
WHERE workspace_id = $workspace_id AND ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], metric_key))
GROUP BY ALL;
