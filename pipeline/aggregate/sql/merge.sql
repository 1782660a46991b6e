-- reads: placed_values, strata, hour_weights, drawn, periods, classes, plan
-- leaves: weighed (strata with what was examined and its weight), and merged: a row for each period and class with its
--   ledger, sums, weighted sums, and `centre`, the estimate that values deviate from
-- Where conversations were left out, each hour is a stratum: it counts eligible / examined times. Where none were, every
-- weight is 1, and a period is one sample.

CREATE OR REPLACE TEMP TABLE weighed AS
SELECT
    s.*,
    -- Those that were looked at: the others were left out by choice, and say nothing about their values.
    s.eligible_count - s.not_sampled_count - s.over_cap_count - s.over_budget_count AS examined_count,
    d.mixed,
    w.weight
FROM strata AS s
JOIN periods USING (period_id)
JOIN classes USING (class_id)
LEFT JOIN drawn AS d
    ON d.plan_id = periods.plan_id AND d.traffic = classes.traffic AND d.hour_number = s.hour_number
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
        coalesce(sum(examined_count) FILTER (mixed) > 0.1 * sum(examined_count), false) AS mixed,
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
