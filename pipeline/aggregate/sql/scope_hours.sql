-- reads: taken, plan, days (span_start, span_end), foreign_periods
-- leaves: stale (plan_id, hour), periods (period_id, plan_id, granularity, period_start, period_end, reason, has_slices):
--   the stale hours and the local days that they are part of; of a day of another zone the rows only end
CREATE OR REPLACE TEMP TABLE stale AS
SELECT plan.plan_id, taken.hour, taken.reason
FROM taken
JOIN plan USING (metric_key, definition_version);

CREATE OR REPLACE TEMP TABLE periods AS
WITH own AS (
    SELECT
        stale.plan_id,
        'day' AS granularity,
        days.span_start AS period_start,
        days.span_end AS period_end,
        string_agg(DISTINCT stale.reason, ', ' ORDER BY stale.reason) AS reason,
        true AS has_slices
    FROM stale
    JOIN days ON stale.hour < days.span_end AND stale.hour + INTERVAL 1 HOUR > days.span_start
    GROUP BY stale.plan_id, days.span_start, days.span_end
    UNION ALL
    SELECT plan_id, 'hour', hour, hour + INTERVAL 1 HOUR, reason, true FROM stale
)
SELECT row_number() OVER () AS period_id, *
FROM (
    FROM own
    UNION ALL
    SELECT plan.plan_id, f.granularity, f.period_start, f.period_end, 'zone', false
    FROM foreign_periods AS f
    JOIN plan USING (metric_key, definition_version)
    ANTI JOIN own
        ON own.plan_id = plan.plan_id AND own.granularity = f.granularity AND own.period_start = f.period_start
);
