-- reads: valued, merged_categories, intervals (period_id, class_id, category, low, high, method), periods, classes, plan
-- leaves: finished, and period_rows: the columns of metric_periods but for their history

CREATE OR REPLACE TEMP TABLE finished AS
WITH bounded AS (
    SELECT
        v.*,
        -- The value if all that has none were least, or greatest.
        CASE family
            WHEN 'count' THEN v.event_count
            WHEN 'distinct' THEN v.value
            WHEN 'mean' THEN (coalesce(v.value_sum, 0) + v.without_value * v.lowest) / nullif(v.event_count + v.without_value, 0)
            WHEN 'share' THEN coalesce(v.true_count, 0) / nullif(v.event_count + v.without_value, 0)
            WHEN 'sum' THEN coalesce(v.value_sum, 0) + v.without_value * v.lowest
            WHEN 'quantile' THEN CASE WHEN v.event_count = 0 THEN v.lowest ELSE v.holistic_low END
            WHEN 'extreme' THEN CASE v.aggregation WHEN 'min' THEN least(v.value, v.lowest) ELSE v.value END
        END AS raw_low,
        CASE family
            WHEN 'count' THEN v.event_count + v.without_value
            WHEN 'distinct' THEN v.value + v.without_value
            WHEN 'mean' THEN (coalesce(v.value_sum, 0) + v.without_value * v.highest) / nullif(v.event_count + v.without_value, 0)
            WHEN 'share' THEN (coalesce(v.true_count, 0) + v.without_value) / nullif(v.event_count + v.without_value, 0)
            WHEN 'sum' THEN coalesce(v.value_sum, 0) + v.without_value * v.highest
            WHEN 'quantile' THEN CASE WHEN v.event_count = 0 THEN v.highest ELSE v.holistic_high END
            WHEN 'extreme' THEN CASE v.aggregation WHEN 'max' THEN greatest(v.value, v.highest) ELSE v.value END
        END AS raw_high
    FROM valued AS v
),

summary AS (
    SELECT
        v.*,
        NULL::VARCHAR AS category,
        v.mode AS value_text,
        NULL::DOUBLE AS share,
        i.low AS interval_low,
        i.high AS interval_high,
        coalesce(i.method, 'none') AS interval_method,
        CASE WHEN i.method IS NULL OR i.method = 'none' THEN NULL WHEN v.estimated THEN 'period' ELSE 'process' END
            AS interval_about,
        CASE WHEN v.without_value = 0 THEN v.value
            WHEN v.family = 'extreme' AND v.lowest IS NULL AND v.aggregation = 'min' THEN NULL
            ELSE finite(v.raw_low)
        END AS bound_low,
        CASE WHEN v.without_value = 0 THEN v.value
            WHEN v.family = 'extreme' AND v.highest IS NULL AND v.aggregation = 'max' THEN NULL
            ELSE finite(v.raw_high)
        END AS bound_high
    FROM bounded AS v
    LEFT JOIN intervals AS i
        ON i.period_id = v.period_id AND i.class_id = v.class_id AND i.category IS NULL
),

-- A category's row has the ledger of its group, so that its share and coverage can be checked on the row itself.
category_rows AS (
    SELECT
        s.* REPLACE (
            c.category AS category,
            CASE WHEN s.left_out THEN c.weighted_true ELSE c.true_count END AS value,
            NULL AS value_text,
            c.share AS share,
            i.low AS interval_low,
            i.high AS interval_high,
            coalesce(i.method, 'none') AS interval_method,
            CASE WHEN i.method IS NULL OR i.method = 'none' THEN NULL ELSE 'process' END AS interval_about,
            sqrt(c.variance) AS standard_error,
            c.true_count / nullif(s.event_count + s.without_value, 0) AS bound_low,
            (c.true_count + s.without_value) / nullif(s.event_count + s.without_value, 0) AS bound_high,
            s.left_out AS estimated,
            c.avg_confidence AS avg_confidence,
            c.true_count AS true_count,
            NULL AS numerator,
            NULL AS denominator
        )
    FROM summary AS s
    JOIN merged_categories AS c USING (period_id, class_id)
    LEFT JOIN intervals AS i
        ON i.period_id = c.period_id AND i.class_id = c.class_id AND i.category = c.category
    WHERE s.metric_type = 'categorical'
)

SELECT
    period_id,
    class_id,
    category,
    value::DOUBLE AS value,
    value_text,
    share,
    event_count,
    -- What an interval rests on: conversations, of metrics over events too.
    CASE WHEN clustered THEN unit_count ELSE event_count END AS unit_count,
    eligible_count,
    not_applicable_count,
    abstained_count,
    missing_count,
    out_of_range_count,
    unknown_category_count,
    wrong_type_count,
    parse_error_count,
    error_count,
    not_sampled_count,
    over_cap_count,
    over_budget_count,
    no_model_count,
    pending_count,
    event_count / nullif(eligible_count - not_applicable_count, 0) AS coverage,
    uncovered_share,
    interval_low,
    interval_high,
    interval_method,
    interval_about,
    finite(standard_error) AS standard_error,
    bound_low::DOUBLE AS bound_low,
    bound_high::DOUBLE AS bound_high,
    estimated,
    mixed,
    avg_confidence,
    value_sum,
    value_sum_squares,
    value_sum_cubes,
    value_sum_fourths,
    value_min,
    value_max,
    true_count,
    numerator,
    denominator
FROM (FROM summary UNION ALL BY NAME FROM category_rows);

CREATE OR REPLACE TEMP VIEW period_rows AS
SELECT
    plan.metric_key,
    plan.definition_version,
    plan.metric_type,
    plan.aggregation,
    classes.traffic,
    classes.service_id,
    periods.granularity,
    periods.period_start,
    periods.period_end,
    plan.unit,
    -- Whatever the definition says now, some of these were chosen by another rule.
    CASE WHEN finished.mixed THEN 'mixed' ELSE plan.selection END AS selection,
    finished.* EXCLUDE (mixed)
FROM finished
JOIN periods USING (period_id)
JOIN plan USING (plan_id)
JOIN classes USING (class_id);
