-- What became of each metric's rows. `changes` holds none that had no row before it.
WITH recomputed AS (
    SELECT plan_id, count(*) AS periods
    FROM periods
    GROUP BY plan_id
),

made AS (
    SELECT periods.plan_id, count(*) AS row_count
    FROM finished
    JOIN periods USING (period_id)
    GROUP BY periods.plan_id
),

revised AS (
    SELECT
        periods.plan_id,
        count_if(c.outcome = 'changed') AS changed,
        count_if(c.outcome = 'unchanged') AS unchanged,
        count_if(c.outcome = 'superseded') AS superseded
    FROM changes AS c
    JOIN periods USING (period_id)
    GROUP BY periods.plan_id
)

SELECT
    plan.metric_key,
    plan.definition_version,
    recomputed.periods,
    coalesce(made.row_count, 0) - coalesce(revised.changed, 0) - coalesce(revised.unchanged, 0) AS added,
    coalesce(revised.changed, 0) AS changed,
    coalesce(revised.unchanged, 0) AS unchanged,
    coalesce(revised.superseded, 0) AS superseded
FROM recomputed
JOIN plan USING (plan_id)
LEFT JOIN made USING (plan_id)
LEFT JOIN revised USING (plan_id)
ORDER BY ALL;
