-- Parts -> periods. Takes `parts`, `category_parts` (by slice_id) and `places` (the periods of a slice).
-- The same statements merge values into hours and days, and stored hour rows into any longer period.

CREATE OR REPLACE TEMP TABLE merged AS
SELECT
    plan_id,
    traffic,
    service_id,
    granularity,
    period_start,
    period_end,
    sum(eligible_count)::BIGINT AS eligible_count,
    sum(event_count)::BIGINT AS event_count,
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
    -- Those that were looked at: the others were left out by choice, and say nothing about their values.
    sum(eligible_count - not_sampled_count - over_cap_count - over_budget_count)::BIGINT AS examined_count,
    sum(confidence_sum) / nullif(sum(confidence_count), 0) AS avg_confidence,
    -- What overflowed in one part is unknown in the whole; sum() alone would skip it.
    CASE WHEN count(value_sum) = count_if(event_count > 0) THEN finite(sum(value_sum)) END AS value_sum,
    finite(merged_squares(
        sum(value_sum) / sum(event_count),
        list(event_count::DOUBLE) FILTER (WHERE event_count > 0),
        list(value_sum) FILTER (WHERE event_count > 0),
        list(value_sum_squares) FILTER (WHERE event_count > 0)
    )) AS value_sum_squares,
    min(value_min) AS value_min,
    max(value_max) AS value_max,
    sum(true_count)::BIGINT AS true_count,
    CASE WHEN count(numerator) = count_if(event_count > 0) THEN finite(sum(numerator)) END AS numerator,
    CASE WHEN count(denominator) = count_if(event_count > 0) THEN finite(sum(denominator)) END AS denominator
FROM parts
JOIN places USING (slice_id)
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE merged_categories AS
SELECT
    plan_id,
    traffic,
    service_id,
    granularity,
    period_start,
    category,
    sum(true_count)::BIGINT AS true_count,
    sum(confidence_sum) / nullif(sum(confidence_count), 0) AS avg_confidence
FROM category_parts
JOIN places USING (slice_id)
GROUP BY ALL;
