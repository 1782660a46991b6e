-- reads: entered, plan, pivot_sums
-- leaves: rows of counted: the values of one span, counted and summed. By state, so that one count serves all states.
INSERT INTO counted BY NAME
WITH pivots AS (
    SELECT plan_id, sum(value_sum) / sum(value_count) AS pivot
    FROM pivot_sums
    GROUP BY plan_id
),

placed AS (
    SELECT
        e.*,
        plan.needs_numbers,
        plan.clustered,
        plan.family,
        CASE WHEN plan.needs_moments THEN e.number - coalesce(pivots.pivot, 0) END AS away
    FROM entered AS e
    JOIN plan USING (plan_id)
    LEFT JOIN pivots USING (plan_id)
),

summed AS (
    SELECT
        plan_id,
        tick,
        traffic,
        service_id,
        group_key,
        status,
        count(*) AS value_count,
        sum(confidence) AS confidence_sum,
        count(confidence) AS confidence_count,
        finite(sum(number)) AS value_sum,
        -- DuckDB stops with an error where a square leaves the range of a double; beyond 1e150 there is no sum of squares.
        CASE WHEN max(abs(number)) < 1e150
            THEN var_pop(number) FILTER (WHERE abs(number) < 1e150) * count(number)
        END AS value_sum_squares,
        min(number) AS value_min,
        max(number) AS value_max,
        CASE WHEN bool_or(is_true IS NOT NULL) THEN count_if(is_true) END AS true_count,
        finite(sum(numerator)) AS numerator,
        finite(sum(denominator)) AS denominator,
        count(away) AS away_count,
        sum(away) AS away_1,
        sum(away ** 2) AS away_2,
        sum(away ** 3) AS away_3,
        sum(away ** 4) AS away_4,
        -- Of a ratio's two sides in one conversation: n², nd, d², n³, n²d, nd², d³, n⁴, n³d, n²d², nd³, d⁴.
        CASE WHEN any_value(family) = 'ratio' AND NOT any_value(clustered) THEN [
            finite(sum(numerator ** 2)),
            finite(sum(numerator * denominator)),
            finite(sum(denominator ** 2)),
            finite(sum(numerator ** 3)),
            finite(sum(numerator ** 2 * denominator)),
            finite(sum(numerator * denominator ** 2)),
            finite(sum(denominator ** 3)),
            finite(sum(numerator ** 4)),
            finite(sum(numerator ** 3 * denominator)),
            finite(sum(numerator ** 2 * denominator ** 2)),
            finite(sum(numerator * denominator ** 3)),
            finite(sum(denominator ** 4))
        ] END AS products,
        -- One by one for just the metrics that ask for it.
        list(number) FILTER (needs_numbers AND family <> 'distinct' AND number IS NOT NULL) AS numbers,
        list(conversation_id) FILTER (needs_numbers AND family <> 'distinct' AND clustered AND number IS NOT NULL) AS units,
        list(DISTINCT coalesce(exact, CASE WHEN number = 0 THEN '0' ELSE number::VARCHAR END)) FILTER (family = 'distinct' AND number IS NOT NULL) AS distinct_values
    FROM placed
    GROUP BY plan_id, tick, traffic, service_id, group_key, status
),

centred AS (
    SELECT *, away_1 / away_count AS shift
    FROM summed
)

SELECT
    * EXCLUDE (away_count, away_1, away_2, away_3, away_4, shift),
    CASE WHEN away_count = 0 THEN NULL WHEN value_min = value_max THEN 0.0
        ELSE skewed(finite(away_3 - 3 * shift * away_2 + 2 * shift ** 2 * away_1), value_sum_squares)
    END AS value_sum_cubes,
    CASE WHEN away_count = 0 THEN NULL WHEN value_min = value_max THEN 0.0
        -- Never less than the squares allow, whatever was rounded.
        ELSE greatest(
            finite(away_4 - 4 * shift * away_3 + 6 * shift ** 2 * away_2 - 3 * shift ** 3 * away_1),
            value_sum_squares ** 2 / away_count
        )
    END AS value_sum_fourths
FROM centred;
