-- reads: placed_values, weighed, merged, periods, plan
-- leaves: stratum_moments, and deviated: how the estimate of each period and class varies, and what of the values' shape
--   merges

-- Power sums of the distances of values from the centre of their period; for totals, from the mean of all examined in
-- their hour, where what has no value adds nothing. With them, moments about the plain mean, which merge.
CREATE OR REPLACE TEMP TABLE stratum_moments AS
WITH hour_means AS (
    SELECT period_id, class_id, hour_number, sum(value_sum) AS value_sum
    FROM placed_values
    GROUP BY period_id, class_id, hour_number
),

parts AS (
    SELECT
        v.*,
        plan.family,
        m.plain_mean,
        v.value_sum / v.event_count AS mean,
        CASE
            WHEN plan.family = 'sum' AND w.examined_count > 1 THEN h.value_sum / w.examined_count
            WHEN plan.family = 'count' AND w.examined_count > 1 THEN w.event_count / w.examined_count
            ELSE m.centre
        END AS centre
    FROM placed_values AS v
    JOIN weighed AS w USING (period_id, class_id, hour_number)
    JOIN hour_means AS h USING (period_id, class_id, hour_number)
    JOIN merged AS m USING (period_id, class_id)
    JOIN periods USING (period_id)
    JOIN plan USING (plan_id)
)

SELECT
    period_id,
    class_id,
    hour_number,
    any_value(centre) AS centre,
    sum(moved_2(event_count, value_sum_squares, mean - plain_mean)) AS plain_2,
    sum(moved_3(event_count, value_sum_squares, value_sum_cubes, mean - plain_mean)) AS plain_3,
    sum(moved_4(event_count, value_sum_squares, value_sum_cubes, value_sum_fourths, mean - plain_mean)) AS plain_4,
    count(value_sum_squares) = count(*) AS squares_known,
    count(value_sum_fourths) = count(*) AS moments_known,
    sum(CASE family
        WHEN 'share' THEN true_count - centre * event_count
        WHEN 'count' THEN event_count * (1 - centre)
        WHEN 'ratio' THEN numerator - centre * denominator
        ELSE event_count * (mean - centre)
    END) AS away_1,
    sum(CASE family
        WHEN 'share' THEN true_count * (1 - centre) ** 2 + (event_count - true_count) * centre ** 2
        WHEN 'count' THEN event_count * (1 - centre) ** 2
        WHEN 'ratio' THEN products[1] - 2 * centre * products[2] + centre ** 2 * products[3]
        ELSE moved_2(event_count, value_sum_squares, mean - centre)
    END) AS away_2,
    -- A ratio's distances cancel where its sides are proportional; below this share of its size nothing is left of them.
    sum(CASE family WHEN 'ratio' THEN 1e-13 * (products[1] + centre ** 2 * products[3]) ELSE 0 END) AS least_2,
    sum(CASE family
        WHEN 'share' THEN true_count * (1 - centre) ** 3 - (event_count - true_count) * centre ** 3
        WHEN 'count' THEN event_count * (1 - centre) ** 3
        WHEN 'ratio' THEN
            products[4] - 3 * centre * products[5] + 3 * centre ** 2 * products[6] - centre ** 3 * products[7]
        ELSE moved_3(event_count, value_sum_squares, value_sum_cubes, mean - centre)
    END) AS away_3,
    sum(CASE family
        WHEN 'share' THEN true_count * (1 - centre) ** 4 + (event_count - true_count) * centre ** 4
        WHEN 'count' THEN event_count * (1 - centre) ** 4
        WHEN 'ratio' THEN
            products[8] - 4 * centre * products[9] + 6 * centre ** 2 * products[10] - 4 * centre ** 3 * products[11]
            + centre ** 4 * products[12]
        ELSE moved_4(event_count, value_sum_squares, value_sum_cubes, value_sum_fourths, mean - centre)
    END) AS away_4
FROM parts
GROUP BY period_id, class_id, hour_number;

CREATE OR REPLACE TEMP TABLE deviated AS
WITH measured AS (
    SELECT
        w.*,
        s.* EXCLUDE (period_id, class_id, hour_number, centre),
        plan.family,
        -- An hour in which nothing examined has a value.
        coalesce(s.centre, CASE WHEN w.examined_count > 1 THEN 0 ELSE m.centre END) AS centre,
        m.left_out AND plan.family IN ('sum', 'count') AS total,
        m.left_out AS stratified,
        -- Of a total, all examined are the sample, and only what was left out is uncertain; else those with a value are.
        CASE WHEN total THEN w.examined_count ELSE w.event_count END AS size,
        CASE WHEN total THEN 1 - w.examined_count / w.eligible_count ELSE 1 END AS uncertain,
        CASE WHEN total THEN w.examined_count - w.event_count ELSE 0 END AS zeros,
        s.away_1 / nullif(w.examined_count, 0) AS shift
    FROM weighed AS w
    JOIN merged AS m USING (period_id, class_id)
    JOIN periods USING (period_id)
    JOIN plan USING (plan_id)
    LEFT JOIN stratum_moments AS s USING (period_id, class_id, hour_number)
),

-- Within an hour the distances count from the hour's own mean; of a single value there is none.
inner_moments AS (
    SELECT
        *,
        CASE
            WHEN total THEN coalesce(away_2, 0) + zeros * coalesce(centre, 0) ** 2
            WHEN stratified AND size > 1 THEN away_2 - shift * away_1
            ELSE away_2
        END AS own_2,
        CASE
            WHEN total THEN coalesce(away_3, 0) - zeros * coalesce(centre, 0) ** 3
            WHEN stratified AND size > 1 THEN away_3 - 3 * shift * away_2 + 2 * shift ** 2 * away_1
            ELSE away_3
        END AS own_3,
        CASE
            WHEN total THEN coalesce(away_4, 0) + zeros * coalesce(centre, 0) ** 4
            WHEN stratified AND size > 1 THEN
                away_4 - 4 * shift * away_3 + 6 * shift ** 2 * away_2 - 3 * shift ** 3 * away_1
            ELSE away_4
        END AS own_4
    FROM measured
),

varying AS (
    SELECT
        *,
        weight ** 2 * uncertain * size / greatest(size - 1, 1)
        * CASE WHEN own_2 > coalesce(least_2, 0) THEN own_2 ELSE 0 END AS variance
    FROM inner_moments
)

SELECT
    period_id,
    class_id,
    sum(size)::BIGINT AS size,
    CASE WHEN bool_and(coalesce(squares_known, true)) THEN finite(sum(plain_2)) END AS value_sum_squares,
    CASE WHEN bool_and(coalesce(moments_known, true)) THEN skewed(finite(sum(plain_3)), sum(plain_2)) END AS value_sum_cubes,
    CASE WHEN bool_and(coalesce(moments_known, true)) THEN finite(sum(plain_4)) END AS value_sum_fourths,
    sum(weight * away_2) AS weighted_2,
    sum(weight * away_4) AS weighted_4,
    CASE
        WHEN any_value(stratified) THEN sum(variance)
        ELSE sum(size) / nullif(sum(size) - 1, 0) * CASE WHEN sum(own_2) > sum(coalesce(least_2, 0)) THEN sum(own_2) ELSE 0 END
    END AS variance,
    sum(weight ** 3 * uncertain ** 1.5 * own_3) / nullif(sum(weight ** 2 * uncertain * own_2), 0) ** 1.5 AS skewness,
    sum(weight ** 4 * uncertain ** 2 * own_4) / nullif(sum(weight ** 2 * uncertain * own_2), 0) ** 2 AS kurtosis,
    CASE
        WHEN any_value(stratified) THEN coalesce(
            sum(variance) ** 2 / nullif(sum(variance ** 2 / greatest(size - 1, 1)), 0),
            sum(greatest(size - 1, 1)) FILTER (size > 0)
        )
        ELSE sum(size) - 1
    END AS degrees
FROM varying
GROUP BY period_id, class_id;
