-- For people who query the file: the rows that count at present, without those that later ones replaced.

CREATE OR REPLACE VIEW current_values AS
SELECT v.*
FROM metric_values AS v
SEMI JOIN metric_definitions AS d
    ON d.workspace_id = v.workspace_id
    AND d.key = v.metric_key
    AND d.version = v.definition_version
    AND d.valid_to IS NULL
WHERE v.participant IS NULL AND v.segment_from IS NULL AND v.sample_index = 0;

COMMENT ON VIEW current_values IS 'The value of each conversation under the definitions in force: one row for each metric and conversation. Columns as in metric_values.';

CREATE OR REPLACE VIEW current_periods AS
SELECT p.*
FROM metric_periods AS p
SEMI JOIN metric_definitions AS d
    ON d.workspace_id = p.workspace_id
    AND d.key = p.metric_key
    AND d.version = p.definition_version
    AND d.valid_to IS NULL
WHERE p.superseded_at IS NULL;

COMMENT ON VIEW current_periods IS 'Period rows of the definitions in force as they stand now, without superseded revisions. Columns as in metric_periods.';

CREATE OR REPLACE VIEW latest_periods AS
SELECT *
FROM current_periods
WHERE category IS NULL
QUALIFY row_number() OVER (
    PARTITION BY workspace_id, metric_key, traffic, service_id, granularity ORDER BY period_start DESC
) = 1;

COMMENT ON VIEW latest_periods IS 'The newest period of each metric, traffic class, service (null: all of them) and granularity. Columns as in metric_periods.';

CREATE OR REPLACE VIEW periods_on_expired_facts AS
SELECT p.*
FROM current_periods AS p
SEMI JOIN (
    SELECT workspace_id, max(until) AS until
    FROM expirations
    WHERE kind IN ('events', 'values')
    GROUP BY workspace_id
) AS e ON e.workspace_id = p.workspace_id AND e.until > p.period_start;

COMMENT ON VIEW periods_on_expired_facts IS 'Period rows in force whose events or values retention has removed: they stay as they are, and can be neither checked nor restated. Columns as in metric_periods.';
