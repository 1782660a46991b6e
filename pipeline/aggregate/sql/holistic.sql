-- Aggregates that need every value at once: percentiles and distinct numbers, over just the metrics that ask for them.
-- Takes `asked_number`, `places` and `ranks` (n, quantile, low_rank, high_rank).

CREATE OR REPLACE TEMP TABLE holistic AS
WITH asking AS (
    SELECT
        places.plan_id,
        a.traffic,
        unnest(services_of(a.service_id)) AS service_id,
        places.granularity,
        places.period_start,
        a.number
    FROM slice_of_tick('asked_number') AS a
    JOIN places USING (slice_id)
),

sorted AS (
    SELECT * EXCLUDE (number), list_sort(list(number)) AS numbers
    FROM asking
    SEMI JOIN (FROM plan WHERE quantile IS NOT NULL) USING (plan_id)
    GROUP BY ALL
),

placed AS (
    SELECT s.*, plan.quantile, (len(s.numbers) - 1) * plan.quantile + 1 AS place
    FROM sorted AS s
    JOIN plan USING (plan_id)
)

-- Linear interpolation between the two nearest order statistics, as quantile_cont and numpy do.
SELECT
    p.* EXCLUDE (numbers, quantile, place),
    p.numbers[floor(p.place)::BIGINT]
    + (p.place - floor(p.place)) * (p.numbers[ceil(p.place)::BIGINT] - p.numbers[floor(p.place)::BIGINT]) AS value,
    CASE WHEN ranks.low_rank >= 1 AND ranks.high_rank <= ranks.n THEN p.numbers[ranks.low_rank] END AS interval_low,
    CASE WHEN ranks.low_rank >= 1 AND ranks.high_rank <= ranks.n THEN p.numbers[ranks.high_rank] END AS interval_high
FROM placed AS p
LEFT JOIN ranks ON ranks.n = len(p.numbers) AND ranks.quantile = p.quantile
UNION ALL
SELECT * EXCLUDE (number), count(DISTINCT number), NULL, NULL
FROM asking
SEMI JOIN (FROM plan WHERE aggregation = 'count_distinct') USING (plan_id)
GROUP BY ALL;
