-- Period rows against the ones that are current: what changed gets a revision, the rest stays as it was.
-- Takes `periods`, `classes` and `period_rows`; `changes` says what became of the rows that had one before them.

CREATE OR REPLACE TEMP TABLE held AS
SELECT m.rowid AS row_id, periods.plan_id, periods.period_id, classes.class_id, m.*
FROM metric_periods AS m
JOIN plan USING (metric_key, definition_version)
JOIN periods USING (plan_id, granularity, period_start)
LEFT JOIN classes ON classes.traffic = m.traffic AND classes.service_id IS NOT DISTINCT FROM m.service_id
WHERE m.workspace_id = $workspace_id;

CREATE OR REPLACE TEMP TABLE changes AS
WITH past AS (
    SELECT period_id, class_id, category, max(revision) AS revision
    FROM held
    GROUP BY period_id, class_id, category
),

sized AS (
    SELECT *, coalesce(greatest(abs(value_min), abs(value_max)), 0) AS size
    FROM period_rows
),

compared AS (
    SELECT
        f.period_id,
        f.class_id,
        f.category,
        h.row_id,
        past.revision,
        row(
            f.metric_type, f.aggregation, f.period_end, f.value_text, f.unit, f.event_count, f.eligible_count,
            f.not_applicable_count, f.abstained_count, f.missing_count, f.out_of_range_count,
            f.unknown_category_count, f.wrong_type_count, f.parse_error_count, f.error_count, f.not_sampled_count,
            f.over_cap_count, f.over_budget_count, f.no_model_count, f.pending_count, f.interval_method, f.selection,
            f.estimated, f.true_count, f.unit_count, f.interval_about
        ) IS NOT DISTINCT FROM row(
            h.metric_type, h.aggregation, h.period_end, h.value_text, h.unit, h.event_count, h.eligible_count,
            h.not_applicable_count, h.abstained_count, h.missing_count, h.out_of_range_count,
            h.unknown_category_count, h.wrong_type_count, h.parse_error_count, h.error_count, h.not_sampled_count,
            h.over_cap_count, h.over_budget_count, h.no_model_count, h.pending_count, h.interval_method, h.selection,
            h.estimated, h.true_count, h.unit_count, h.interval_about
        )
        AND near(f.value, h.value, f.size)
        AND near(f.share, h.share, 0)
        AND near(f.coverage, h.coverage, 0)
        AND near(f.uncovered_share, h.uncovered_share, 0)
        AND near(f.interval_low, h.interval_low, f.size, share := 1e-7)
        AND near(f.interval_high, h.interval_high, f.size, share := 1e-7)
        AND near(f.avg_confidence, h.avg_confidence, 0)
        AND near(f.value_sum, h.value_sum, f.size)
        -- An error in every value of 1e-9 of its size moves the sum of squares by this much, also where that is near 0.
        AND near(
            f.value_sum_squares, h.value_sum_squares, f.size * sqrt(greatest(f.value_sum_squares, h.value_sum_squares))
        )
        AND near(f.standard_error, h.standard_error, f.size)
        AND near(f.bound_low, h.bound_low, f.size)
        AND near(f.bound_high, h.bound_high, f.size)
        -- The third and fourth powers only shape intervals, which are compared themselves.
        AND near(f.value_min, h.value_min, 0)
        AND near(f.value_max, h.value_max, 0)
        AND near(f.numerator, h.numerator, 0)
        AND near(f.denominator, h.denominator, 0) AS same
    FROM sized AS f
    JOIN past
        ON f.period_id = past.period_id
        AND f.class_id = past.class_id
        AND f.category IS NOT DISTINCT FROM past.category
    LEFT JOIN (FROM held WHERE superseded_at IS NULL) AS h
        ON f.period_id = h.period_id
        AND f.class_id = h.class_id
        AND f.category IS NOT DISTINCT FROM h.category
)

SELECT
    period_id, class_id, category, row_id, revision,
    CASE WHEN row_id IS NULL THEN 'added' WHEN same THEN 'unchanged' ELSE 'changed' END AS outcome
FROM compared
UNION ALL
SELECT period_id, class_id, category, row_id, revision, 'superseded'
FROM held
WHERE superseded_at IS NULL AND row_id NOT IN (SELECT row_id FROM compared WHERE row_id IS NOT NULL);

UPDATE metric_periods
SET superseded_at = $now
WHERE rowid IN (SELECT row_id FROM changes WHERE outcome IN ('changed', 'superseded'));

INSERT INTO metric_periods BY NAME
SELECT
    $workspace_id AS workspace_id,
    f.* EXCLUDE (period_id, class_id),
    $now AS computed_at,
    coalesce(c.revision, 0) + 1 AS revision,
    CASE WHEN c.revision IS NOT NULL THEN periods.reason END AS revision_reason
FROM period_rows AS f
JOIN periods USING (period_id)
LEFT JOIN changes AS c
    ON f.period_id = c.period_id
    AND f.class_id = c.class_id
    AND f.category IS NOT DISTINCT FROM c.category
WHERE c.outcome IS DISTINCT FROM 'unchanged';

DELETE FROM stale_periods
WHERE workspace_id = $workspace_id
    AND row(metric_key, definition_version, hour) IN (
        SELECT row(plan.metric_key, plan.definition_version, stale.hour) FROM stale JOIN plan USING (plan_id)
    );
