-- reads: placed_values, strata, hour_weights, placed_categories, placed_units, placed_unit_categories, periods, plan
-- leaves: merged (a row for each period and class: ledger, sums, weighted sums) and merged_categories (each with its
--   share), merged_units (of metrics over events), and deviated (how the estimate of each varies).
-- Where conversations were left out, each hour is a stratum: it counts eligible / examined times. Where none were, every
-- weight is 1, and a period is one sample.

CREATE OR REPLACE TEMP TABLE weighed AS
SELECT
    s.*,
    -- Those that were looked at: the others were left out by choice, and say nothing about their values.
    s.eligible_count - s.not_sampled_count - s.over_cap_count - s.over_budget_count AS examined_count,
    w.weight
FROM strata AS s
JOIN periods USING (period_id)
JOIN hour_weights AS w
    ON w.plan_id = periods.plan_id AND w.class_id = s.class_id AND w.hour_number = s.hour_number;

CREATE OR REPLACE TEMP TABLE merged AS
WITH ledger AS (
    SELECT
        period_id,
        class_id,
        sum(event_count)::BIGINT AS event_count,
        sum(eligible_count)::BIGINT AS eligible_count,
        sum(not_applicable_count)::BIGINT AS not_applicable_count,
        sum(abstained_count)::BIGINT AS abstained_count,
        sum(missing_count)::BIGINT AS missing_count,
        sum(out_of_range_count)::BIGINT AS out_of_range_count,
        sum(unknown_category_count)::BIGINT AS unknown_category_count,
        sum(wrong_type_count)::BIGINT AS wrong_type_count,
        sum(parse_error_count)::BIGINT AS parse_error_count,
        sum(error_count)::BIGINT AS error_count,
        sum(not_sampled_count)::BIGINT AS not_sampled_count,
        sum(over_cap_count)::BIGINT AS over_cap_count,
        sum(over_budget_count)::BIGINT AS over_budget_count,
        sum(no_model_count)::BIGINT AS no_model_count,
        sum(pending_count)::BIGINT AS pending_count,
        sum(examined_count)::BIGINT AS examined_count,
        -- Here, or in the rest of an hour that the period holds a part of.
        sum(examined_count) < sum(eligible_count) OR coalesce(bool_or(weight > 1), false) AS left_out,
        -- Hours of which nothing was examined: no weight can speak for them, so the row names their share.
        coalesce(sum(eligible_count) FILTER (examined_count = 0), 0) / sum(eligible_count) AS uncovered_share,
        sum(weight * event_count) AS weighted_count,
        sum(eligible_count) FILTER (examined_count > 0) AS covered_count,
        -- How many of an endless period would say as much: Kish (1965), with the finite population correction.
        sum(weight * examined_count) ** 2
            / nullif(sum(weight ** 2 * examined_count * (1 - examined_count / eligible_count)), 0) AS kish_examined
    FROM weighed
    GROUP BY period_id, class_id
),

summed AS (
    SELECT
        v.period_id,
        v.class_id,
        sum(v.confidence_sum) / nullif(sum(v.confidence_count), 0) AS avg_confidence,
        -- What overflowed in one part is unknown in the whole; sum() alone would skip it.
        CASE WHEN count(v.value_sum) = count(*) THEN finite(sum(v.value_sum)) END AS value_sum,
        CASE WHEN count(v.value_sum) = count(*) THEN finite(sum(w.weight * v.value_sum)) END AS weighted_sum,
        min(v.value_min) AS value_min,
        max(v.value_max) AS value_max,
        sum(v.true_count)::BIGINT AS true_count,
        sum(w.weight * v.true_count) AS weighted_true,
        CASE WHEN count(v.numerator) = count(*) THEN finite(sum(v.numerator)) END AS numerator,
        CASE WHEN count(v.denominator) = count(*) THEN finite(sum(v.denominator)) END AS denominator,
        CASE WHEN count(v.numerator) = count(*) THEN finite(sum(w.weight * v.numerator)) END AS weighted_numerator,
        CASE WHEN count(v.denominator) = count(*) THEN finite(sum(w.weight * v.denominator)) END AS weighted_denominator
    FROM placed_values AS v
    JOIN weighed AS w USING (period_id, class_id, hour_number)
    GROUP BY v.period_id, v.class_id
)

SELECT
    ledger.*,
    summed.* EXCLUDE (period_id, class_id),
    summed.value_sum / ledger.event_count AS plain_mean,
    CASE plan.family
        WHEN 'share' THEN summed.weighted_true / nullif(ledger.weighted_count, 0)
        WHEN 'ratio' THEN summed.weighted_numerator / nullif(summed.weighted_denominator, 0)
        -- The weighted sum may round where all weights are 1.
        WHEN 'sum' THEN summed.value_sum / nullif(ledger.examined_count, 0)
        WHEN 'count' THEN ledger.event_count / nullif(ledger.examined_count, 0)
        ELSE summed.weighted_sum / nullif(ledger.weighted_count, 0)
    END AS centre
FROM ledger
JOIN periods USING (period_id)
JOIN plan USING (plan_id)
LEFT JOIN summed USING (period_id, class_id);

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

-- Conversations as the independent units of metrics over events.
CREATE OR REPLACE TEMP TABLE units AS
SELECT period_id, class_id, conversation_id, sum(above) AS above, sum(below) AS below
FROM placed_units
GROUP BY period_id, class_id, conversation_id;

CREATE OR REPLACE TEMP TABLE merged_units AS
SELECT
    u.period_id,
    u.class_id,
    count(*) AS unit_count,
    sum(u.below ** 2) AS below_2,
    sum(u.below ** 3) AS below_3,
    sum(u.below ** 4) AS below_4,
    sum((u.above - m.centre * u.below) ** 2) AS away_2,
    sum((u.above - m.centre * u.below) ** 3) AS away_3,
    sum((u.above - m.centre * u.below) ** 4) AS away_4
FROM units AS u
JOIN merged AS m USING (period_id, class_id)
GROUP BY u.period_id, u.class_id;

CREATE OR REPLACE TEMP TABLE deviated AS
WITH measured AS (
    SELECT
        s.* EXCLUDE (centre),
        w.* EXCLUDE (period_id, class_id, hour_number),
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
    CASE WHEN bool_and(coalesce(moments_known, true)) THEN finite(sum(plain_3)) END AS value_sum_cubes,
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

CREATE OR REPLACE TEMP TABLE merged_categories AS
WITH each AS (
    SELECT
        c.period_id,
        c.class_id,
        c.category,
        sum(c.true_count)::BIGINT AS true_count,
        sum(w.weight * c.true_count) AS weighted_true,
        sum(c.confidence_sum) / nullif(sum(c.confidence_count), 0) AS avg_confidence
    FROM placed_categories AS c
    JOIN weighed AS w USING (period_id, class_id, hour_number)
    GROUP BY c.period_id, c.class_id, c.category
),

shared AS (
    SELECT each.*, each.weighted_true / m.weighted_count AS share, m.left_out, m.event_count, plan.clustered
    FROM each
    JOIN merged AS m USING (period_id, class_id)
    JOIN periods USING (period_id)
    JOIN plan USING (plan_id)
),

-- Where conversations were left out: each hour by itself, also those in which the category does not occur.
by_hour AS (
    SELECT
        s.period_id, s.class_id, s.category, w.weight, w.event_count AS size,
        coalesce(c.true_count, 0) AS hits,
        hits - s.share * w.event_count AS from_1,
        hits * (1 - s.share) ** 2 + (w.event_count - hits) * s.share ** 2 AS from_2,
        hits * (1 - s.share) ** 3 - (w.event_count - hits) * s.share ** 3 AS from_3,
        hits * (1 - s.share) ** 4 + (w.event_count - hits) * s.share ** 4 AS from_4,
        -- Within the hour, as far as it has more than one value.
        CASE WHEN w.event_count > 1 THEN from_1 / w.examined_count ELSE 0 END AS shift,
        from_2 - shift * from_1 AS away_2,
        from_3 - 3 * shift * from_2 + 2 * shift ** 2 * from_1 AS away_3,
        from_4 - 4 * shift * from_3 + 6 * shift ** 2 * from_2 - 3 * shift ** 3 * from_1 AS away_4,
        weight ** 2 * size / greatest(size - 1, 1) * away_2 AS variance
    FROM shared AS s
    JOIN weighed AS w USING (period_id, class_id)
    LEFT JOIN placed_categories AS c USING (period_id, class_id, hour_number, category)
    WHERE s.left_out AND NOT s.clustered AND w.event_count > 0
),

of_units AS (
    SELECT period_id, class_id, conversation_id, category, sum(above) AS above
    FROM placed_unit_categories
    GROUP BY ALL
),

-- The conversations with the category; all others are as far away as their values are many.
clustered AS (
    SELECT
        s.period_id, s.class_id, s.category,
        any_value(m.unit_count) AS unit_count,
        any_value(s.event_count) AS event_count,
        any_value(s.share) ** 2 * any_value(m.below_2)
        + sum((o.above - s.share * u.below) ** 2 - (s.share * u.below) ** 2) AS away_2,
        -any_value(s.share) ** 3 * any_value(m.below_3)
        + sum((o.above - s.share * u.below) ** 3 + (s.share * u.below) ** 3) AS away_3,
        any_value(s.share) ** 4 * any_value(m.below_4)
        + sum((o.above - s.share * u.below) ** 4 - (s.share * u.below) ** 4) AS away_4
    FROM shared AS s
    JOIN merged_units AS m USING (period_id, class_id)
    JOIN of_units AS o USING (period_id, class_id, category)
    JOIN units AS u USING (period_id, class_id, conversation_id)
    WHERE s.clustered
    GROUP BY s.period_id, s.class_id, s.category
),

designed AS (
    SELECT
        period_id, class_id, category,
        sum(variance) / sum(weight * size) ** 2 AS variance,
        sum(weight ** 3 * away_3) / nullif(sum(weight ** 2 * away_2), 0) ** 1.5 AS skewness,
        sum(weight ** 4 * away_4) / nullif(sum(weight ** 2 * away_2), 0) ** 2 AS kurtosis,
        coalesce(
            sum(variance) ** 2 / nullif(sum(variance ** 2 / greatest(size - 1, 1)), 0), sum(greatest(size - 1, 1))
        ) AS degrees
    FROM by_hour
    GROUP BY period_id, class_id, category
    UNION ALL
    SELECT
        period_id, class_id, category,
        unit_count / nullif(unit_count - 1, 0) * greatest(away_2, 0) / event_count ** 2,
        away_3 / nullif(away_2, 0) ** 1.5,
        away_4 / nullif(away_2, 0) ** 2,
        unit_count - 1
    FROM clustered
)

SELECT
    s.period_id,
    s.class_id,
    s.category,
    s.true_count,
    s.weighted_true,
    s.share,
    s.avg_confidence,
    s.event_count,
    s.clustered OR s.left_out AS designed,
    d.variance,
    d.skewness,
    d.kurtosis,
    d.degrees
FROM shared AS s
LEFT JOIN designed AS d USING (period_id, class_id, category);
