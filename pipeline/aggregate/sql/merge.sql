-- Parts -> periods. Takes `value_parts`, `state_parts`, `category_parts` (by slice_id and member_id), `places` (the
-- periods of a slice) and `memberships` (the classes of a class).
-- The same statements merge values into hours and days, and stored hour rows into any longer period.

CREATE OR REPLACE TEMP MACRO placed(parts) AS TABLE
SELECT places.period_id, memberships.class_id, places.alone AND memberships.alone AS alone, p.*
FROM query_table(parts) AS p
JOIN places USING (slice_id)
JOIN memberships USING (member_id);

-- What the values say, and the ledger of what has none: most periods have no more than one part, and few states.
CREATE OR REPLACE TEMP TABLE merged AS
WITH with_value AS (
    SELECT
        period_id, class_id, event_count, confidence_sum, confidence_count, value_sum, value_sum_squares, value_min,
        value_max, true_count, numerator, denominator
    FROM placed('value_parts')
    WHERE alone
    UNION ALL
    SELECT
        period_id,
        class_id,
        sum(event_count)::BIGINT AS event_count,
        sum(confidence_sum) AS confidence_sum,
        sum(confidence_count)::BIGINT AS confidence_count,
        -- What overflowed in one part is unknown in the whole; sum() alone would skip it.
        CASE WHEN count(value_sum) = count(*) THEN finite(sum(value_sum)) END AS value_sum,
        finite(merged_squares(
            sum(value_sum) / sum(event_count), list(event_count::DOUBLE), list(value_sum), list(value_sum_squares)
        )) AS value_sum_squares,
        min(value_min) AS value_min,
        max(value_max) AS value_max,
        sum(true_count)::BIGINT AS true_count,
        CASE WHEN count(numerator) = count(*) THEN finite(sum(numerator)) END AS numerator,
        CASE WHEN count(denominator) = count(*) THEN finite(sum(denominator)) END AS denominator
    FROM placed('value_parts')
    WHERE NOT alone
    GROUP BY period_id, class_id
),

without_value AS (
    SELECT
        period_id,
        class_id,
        sum(without_value_count)::BIGINT AS without_value_count,
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
        sum(pending_count)::BIGINT AS pending_count
    FROM placed('state_parts')
    GROUP BY period_id, class_id
),

together AS (
    SELECT
        period_id,
        class_id,
        coalesce(v.event_count, 0) AS event_count,
        coalesce(v.event_count, 0) + coalesce(w.without_value_count, 0) AS eligible_count,
        coalesce(w.not_applicable_count, 0) AS not_applicable_count,
        coalesce(w.abstained_count, 0) AS abstained_count,
        coalesce(w.missing_count, 0) AS missing_count,
        coalesce(w.out_of_range_count, 0) AS out_of_range_count,
        coalesce(w.unknown_category_count, 0) AS unknown_category_count,
        coalesce(w.wrong_type_count, 0) AS wrong_type_count,
        coalesce(w.parse_error_count, 0) AS parse_error_count,
        coalesce(w.error_count, 0) AS error_count,
        coalesce(w.not_sampled_count, 0) AS not_sampled_count,
        coalesce(w.over_cap_count, 0) AS over_cap_count,
        coalesce(w.over_budget_count, 0) AS over_budget_count,
        coalesce(w.no_model_count, 0) AS no_model_count,
        coalesce(w.pending_count, 0) AS pending_count,
        v.confidence_sum / nullif(v.confidence_count, 0) AS avg_confidence,
        v.value_sum,
        v.value_sum_squares,
        v.value_min,
        v.value_max,
        v.true_count,
        v.numerator,
        v.denominator
    FROM with_value AS v
    FULL JOIN without_value AS w USING (period_id, class_id)
)

SELECT
    *,
    -- Those that were looked at: the others were left out by choice, and say nothing about their values.
    eligible_count - not_sampled_count - over_cap_count - over_budget_count AS examined_count
FROM together;

CREATE OR REPLACE TEMP TABLE merged_categories AS
SELECT
    period_id,
    class_id,
    category,
    sum(true_count)::BIGINT AS true_count,
    sum(confidence_sum) / nullif(sum(confidence_count), 0) AS avg_confidence
FROM placed('category_parts')
GROUP BY period_id, class_id, category;
