-- Aggregates that need every value at once: percentiles and distinct numbers, over just the metrics that ask for them.
-- Takes `number_parts`, `places`, `memberships` and `ranks` (n, quantile, low_rank, high_rank).

CREATE OR REPLACE TEMP TABLE holistic AS
WITH asking AS (
    SELECT period_id, class_id, flatten(list(numbers)) AS numbers
    FROM placed('number_parts')
    GROUP BY period_id, class_id
),

sorted AS (
    SELECT a.period_id, a.class_id, list_sort(a.numbers) AS numbers, plan.quantile
    FROM asking AS a
    JOIN periods USING (period_id)
    JOIN plan USING (plan_id)
    WHERE plan.quantile IS NOT NULL
),

placed_quantile AS (
    SELECT *, (len(numbers) - 1) * quantile + 1 AS place
    FROM sorted
)

-- Linear interpolation between the two nearest order statistics, as quantile_cont and numpy do.
SELECT
    p.period_id,
    p.class_id,
    p.numbers[floor(p.place)::BIGINT]
    + (p.place - floor(p.place)) * (p.numbers[ceil(p.place)::BIGINT] - p.numbers[floor(p.place)::BIGINT]) AS value,
    CASE WHEN ranks.low_rank >= 1 AND ranks.high_rank <= ranks.n THEN p.numbers[ranks.low_rank] END AS interval_low,
    CASE WHEN ranks.low_rank >= 1 AND ranks.high_rank <= ranks.n THEN p.numbers[ranks.high_rank] END AS interval_high
FROM placed_quantile AS p
LEFT JOIN ranks ON ranks.n = len(p.numbers) AND ranks.quantile = p.quantile
UNION ALL
SELECT a.period_id, a.class_id, list_unique(a.numbers), NULL, NULL
FROM asking AS a
JOIN periods USING (period_id)
JOIN plan USING (plan_id)
WHERE plan.aggregation = 'count_distinct';
