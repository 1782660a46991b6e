-- reads: placed_numbers, placed_distinct, weighed, periods, plan
-- leaves: rows of sample (each value of a percentile or a trimmed mean, with its place in the sorted sample of its period) and
--   holistic (period_id, class_id, value, and what an interval needs: n, effective_count, standard_error, degrees; and the
--   values if all that have none were least or greatest: bound_low, bound_high)

INSERT INTO sample BY NAME
WITH listed AS (
    SELECT
        n.period_id,
        n.class_id,
        w.weight,
        unnest(n.numbers) AS number,
        unnest(coalesce(n.units, list_transform(n.numbers, lambda x: NULL::VARCHAR))) AS conversation_id
    FROM placed_numbers AS n
    JOIN weighed AS w USING (period_id, class_id, hour_number)
)
SELECT
    *,
    row_number() OVER ascending AS place,
    count(*) OVER whole AS n,
    -- The middle of the stretch of weight that a value covers, from 0 to the sum of all weights.
    sum(weight) OVER (ascending ROWS UNBOUNDED PRECEDING) - weight / 2 AS middle,
    sum(weight) OVER whole AS total,
    first_value(weight) OVER ascending / 2 AS first_middle,
    min(weight) OVER whole = max(weight) OVER whole AS even
FROM listed
WINDOW
    whole AS (PARTITION BY period_id, class_id),
    -- Equal numbers of different weight have an order too, or the same values would give another percentile tomorrow.
    ascending AS (PARTITION BY period_id, class_id ORDER BY number, weight);

INSERT INTO holistic BY NAME
WITH asked AS (
    SELECT
        s.*,
        plan.family,
        plan.quantile,
        plan.clustered,
        plan.lowest,
        plan.highest,
        coalesce(m.eligible_count - m.not_applicable_count - m.event_count, 0) AS without_value
    FROM sample AS s
    JOIN merged AS m USING (period_id, class_id)
    JOIN periods USING (period_id)
    JOIN plan USING (plan_id)
),

-- Linear interpolation between the two nearest order statistics, as quantile_cont and numpy do; weights stretch it.
ends AS (
    SELECT period_id, class_id, any_value(total) - max_by(weight, place) / 2 AS last_middle
    FROM asked
    GROUP BY period_id, class_id
),

aimed AS (
    SELECT
        a.*,
        CASE WHEN even THEN (n - 1) * quantile + 1
            ELSE first_middle + quantile * (ends.last_middle - first_middle)
        END AS target,
        CASE WHEN even THEN place ELSE middle END AS position,
        CASE WHEN even THEN n ELSE total END * 1e-12 AS hair,
        (n + without_value - 1) * quantile + 1 AS bound_target
    FROM asked AS a
    JOIN ends USING (period_id, class_id)
),

quantiles AS (
    SELECT
        period_id,
        class_id,
        any_value(n) AS n,
        any_value(clustered) AS clustered,
        any_value(even) AS even,
        any_value(quantile) AS quantile,
        -- A hair wider than the target, so that rounding decides nothing where it is the very place of a value.
        max_by(number, place) FILTER (position <= target + hair) AS below,
        max(position) FILTER (position <= target + hair) AS below_position,
        min_by(number, place) FILTER (position >= target - hair) AS above,
        min(position) FILTER (position >= target - hair) AS above_position,
        any_value(target) AS target,
        -- With k values more at one end: everything moves up k places, or stays where it is; NULL is one of the k.
        max(number) FILTER (place + without_value = floor(bound_target)) AS low_below,
        max(number) FILTER (place + without_value = ceil(bound_target)) AS low_above,
        max(number) FILTER (place = floor(bound_target)) AS high_below,
        max(number) FILTER (place = ceil(bound_target)) AS high_above,
        any_value(bound_target) AS bound_target,
        any_value(lowest) AS lowest,
        any_value(highest) AS highest
    FROM aimed
    WHERE family = 'quantile'
    GROUP BY period_id, class_id
),

valued AS (
    SELECT
        *,
        CASE WHEN above_position > below_position
            THEN below + (target - below_position) / (above_position - below_position) * (above - below)
            ELSE coalesce(below, above)
        END AS value,
        bound_target - floor(bound_target) AS between_places
    FROM quantiles
),

-- Of a sample that is weighted, or clustered in conversations: the variance of the share at or below the quantile, by
-- linearisation (Woodruff, 1952).
by_unit AS (
    SELECT
        s.period_id,
        s.class_id,
        coalesce(s.conversation_id, s.place::VARCHAR) AS conversation_id,
        any_value(s.total) AS total,
        sum(s.weight * ((s.number <= v.value)::INTEGER - v.quantile)) AS away
    FROM sample AS s
    JOIN valued AS v USING (period_id, class_id)
    WHERE v.clustered OR NOT v.even
    GROUP BY ALL
),

effective AS (
    SELECT
        period_id,
        class_id,
        count(*) AS unit_count,
        count(*) / nullif(count(*) - 1, 0) * sum(away ** 2) / any_value(total) ** 2 AS variance
    FROM by_unit
    GROUP BY period_id, class_id
),

-- A tenth of the weight is cut off at each end; a value at the edge stays in part.
trimmed AS (
    SELECT
        *,
        greatest(
            0,
            least(middle + weight / 2, (1 - quantile) * total) - greatest(middle - weight / 2, quantile * total)
        ) AS kept
    FROM asked
    WHERE family = 'trimmed'
),

edges AS (
    SELECT
        period_id, class_id,
        -- More than rounding leaves of a value that was cut off whole.
        min(number) FILTER (kept > 1e-9 * total) AS least_kept,
        max(number) FILTER (kept > 1e-9 * total) AS greatest_kept
    FROM trimmed
    GROUP BY period_id, class_id
),

-- The variance is that of the sample with its ends drawn in to the edges: Tukey and McLaughlin (1963).
trimmed_means AS (
    SELECT
        t.period_id,
        t.class_id,
        any_value(t.n) AS n,
        any_value(t.clustered) AS clustered,
        any_value(t.even) AS even,
        sum(t.kept * t.number) / sum(t.kept) AS value,
        stddev_samp(least(greatest(t.number, e.least_kept), e.greatest_kept)) AS deviation,
        any_value(t.quantile) AS cut,
        sum(t.weight) ** 2 / sum(t.weight ** 2) AS kish_count,
        count(DISTINCT coalesce(t.conversation_id, t.place::VARCHAR)) AS unit_count
    FROM trimmed AS t
    JOIN edges AS e USING (period_id, class_id)
    GROUP BY t.period_id, t.class_id
)

SELECT
    v.period_id,
    v.class_id,
    v.value,
    v.n,
    CASE WHEN v.even AND NOT v.clustered THEN v.n
        ELSE least(v.n, coalesce(v.quantile * (1 - v.quantile) / nullif(e.variance, 0), e.unit_count))
    END AS effective_count,
    NULL::DOUBLE AS standard_error,
    NULL::DOUBLE AS degrees,
    coalesce(v.low_below, v.lowest)
    + v.between_places * (coalesce(v.low_above, v.lowest) - coalesce(v.low_below, v.lowest)) AS bound_low,
    coalesce(v.high_below, v.highest)
    + v.between_places * (coalesce(v.high_above, v.highest) - coalesce(v.high_below, v.highest)) AS bound_high
FROM valued AS v
LEFT JOIN effective AS e USING (period_id, class_id)
UNION ALL BY NAME
SELECT
    period_id,
    class_id,
    value,
    n,
    least(kish_count, unit_count) AS effective_count,
    deviation / ((1 - 2 * cut) * sqrt(least(kish_count, unit_count))) AS standard_error,
    floor((1 - 2 * cut) * least(kish_count, unit_count) + 1e-9) - 1 AS degrees
FROM trimmed_means
UNION ALL BY NAME
SELECT period_id, class_id, count(DISTINCT number)::DOUBLE AS value
FROM (SELECT period_id, class_id, unnest(distinct_values) AS number FROM placed_distinct)
GROUP BY period_id, class_id;
