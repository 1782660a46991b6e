-- What a period row says beside its value: what its interval is about and rests on, its bounds, why it was revised.
ALTER TABLE metric_periods ADD COLUMN unit_count BIGINT;
ALTER TABLE metric_periods ADD COLUMN uncovered_share DOUBLE;
ALTER TABLE metric_periods ADD COLUMN interval_about VARCHAR;
ALTER TABLE metric_periods ADD COLUMN standard_error DOUBLE;
ALTER TABLE metric_periods ADD COLUMN bound_low DOUBLE;
ALTER TABLE metric_periods ADD COLUMN bound_high DOUBLE;
ALTER TABLE metric_periods ADD COLUMN value_sum_cubes DOUBLE;
ALTER TABLE metric_periods ADD COLUMN value_sum_fourths DOUBLE;
ALTER TABLE metric_periods ADD COLUMN revision_reason VARCHAR;

ALTER TABLE stale_periods ADD COLUMN IF NOT EXISTS reason VARCHAR;

-- The next run computes every period anew; rows that change get a revision that says why.
INSERT INTO stale_periods BY NAME
SELECT DISTINCT workspace_id, metric_key, definition_version, period_start AS hour, 'method' AS reason
FROM metric_periods
WHERE granularity = 'hour' AND superseded_at IS NULL;
