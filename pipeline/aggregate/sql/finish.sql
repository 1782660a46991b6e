-- Merged parts -> period rows without their history, as the view `period_rows`. Takes `merged`, `merged_categories`,
-- `holistic`, `periods`, `classes`, `plan`, `student`. Categories have everything computed anew, for the few metrics that
-- have any: kept in between, all rows would be written once more.

CREATE OR REPLACE TEMP TABLE finished AS
WITH category_summary AS (
    SELECT
        period_id, class_id,
        count(*) AS distinct_count,
        first(category ORDER BY true_count DESC, category) AS mode
    FROM merged_categories
    GROUP BY period_id, class_id
),

planned AS NOT MATERIALIZED (
    SELECT
        m.*,
        plan.aggregation,
        plan.metric_type,
        plan.quantile,
        c.distinct_count,
        c.mode,
        h.value AS holistic_value,
        h.interval_low AS holistic_low,
        h.interval_high AS holistic_high,
        m.examined_count < m.eligible_count AS left_out,
        m.eligible_count / nullif(m.examined_count, 0) AS weight
    FROM merged AS m
    JOIN periods USING (period_id)
    JOIN plan USING (plan_id)
    LEFT JOIN category_summary AS c USING (period_id, class_id)
    LEFT JOIN holistic AS h USING (period_id, class_id)
),

valued AS NOT MATERIALIZED (
    SELECT
        *,
        aggregation IN ('count', 'sum') AND left_out AS estimated,
        finite(CASE aggregation
            WHEN 'count' THEN event_count * weight
            WHEN 'sum' THEN value_sum * weight
            WHEN 'avg' THEN value_sum / event_count
            WHEN 'min' THEN value_min
            WHEN 'max' THEN value_max
            WHEN 'rate' THEN true_count / nullif(event_count, 0)
            WHEN 'ratio' THEN numerator / nullif(denominator, 0)
            WHEN 'stddev' THEN sqrt(value_sum_squares / nullif(event_count - 1, 0))
            WHEN 'count_distinct' THEN
                CASE WHEN examined_count > 0 THEN coalesce(distinct_count, holistic_value, 0) END
            ELSE holistic_value
        END) AS value,
        -- An estimated total extrapolates from those examined, of which the ones that are not `ok` add nothing; the
        -- error shrinks to nothing as everything is examined (finite population correction).
        examined_count * (eligible_count - 1) / nullif(eligible_count - examined_count, 0) AS effective_count,
        event_count / nullif(examined_count, 0) AS ok_share,
        value_sum_squares + value_sum ** 2 / event_count - value_sum ** 2 / examined_count AS examined_squares
    FROM planned
),

with_method AS NOT MATERIALIZED (
    SELECT
        *,
        CASE
            WHEN value IS NULL THEN 'none'
            WHEN aggregation = 'rate' OR (aggregation = 'avg' AND metric_type = 'boolean') THEN 'wilson'
            WHEN aggregation = 'avg' THEN 'student'
            WHEN aggregation = 'count' AND left_out THEN 'wilson'
            WHEN aggregation = 'sum' AND left_out THEN 'student'
            WHEN quantile IS NOT NULL THEN 'order_statistic'
            ELSE 'none'
        END AS method
    FROM valued
),

halved AS NOT MATERIALIZED (
    SELECT
        v.*,
        student.t * CASE v.aggregation
            WHEN 'avg' THEN sqrt(v.value_sum_squares / (v.event_count - 1) / v.event_count)
            ELSE v.eligible_count * sqrt(
                v.examined_squares / (v.examined_count - 1) / v.examined_count
                * (1 - v.examined_count / v.eligible_count)
            )
        END AS student_half
    FROM with_method AS v
    LEFT JOIN student
        ON student.df = CASE
            WHEN v.method <> 'student' THEN NULL
            WHEN v.aggregation = 'avg' THEN v.event_count - 1
            ELSE v.examined_count - 1
        END
),

bounded AS NOT MATERIALIZED (
    SELECT
        *,
        finite(CASE
            WHEN method = 'student' THEN value - student_half
            WHEN method = 'order_statistic' THEN holistic_low
            WHEN method = 'wilson' AND estimated THEN
                greatest(event_count, eligible_count * wilson_low(ok_share, effective_count))
            WHEN method = 'wilson' THEN wilson_low(true_count / event_count, event_count)
        END) AS low,
        finite(CASE
            WHEN method = 'student' THEN value + student_half
            WHEN method = 'order_statistic' THEN holistic_high
            WHEN method = 'wilson' AND estimated THEN least(
                event_count + eligible_count - examined_count,
                eligible_count * wilson_high(ok_share, effective_count)
            )
            WHEN method = 'wilson' THEN wilson_high(true_count / event_count, event_count)
        END) AS high
    FROM halved
),

summary AS NOT MATERIALIZED (
    SELECT
        * EXCLUDE (method, low, high, mode),
        NULL::VARCHAR AS category,
        mode AS value_text,
        NULL::DOUBLE AS share,
        CASE WHEN low IS NOT NULL AND high IS NOT NULL THEN low END AS interval_low,
        CASE WHEN low IS NOT NULL AND high IS NOT NULL THEN high END AS interval_high,
        CASE WHEN low IS NOT NULL AND high IS NOT NULL THEN method ELSE 'none' END AS interval_method
    FROM bounded
),

-- A category's row has the ledger of its group, so that its share and coverage can be checked on the row itself.
category_rows AS (
    SELECT
        s.* REPLACE (
            c.category AS category,
            c.true_count * s.weight AS value,
            NULL AS value_text,
            c.true_count / s.event_count AS share,
            wilson_low(c.true_count / s.event_count, s.event_count) AS interval_low,
            wilson_high(c.true_count / s.event_count, s.event_count) AS interval_high,
            'wilson' AS interval_method,
            s.left_out AS estimated,
            c.avg_confidence AS avg_confidence,
            c.true_count AS true_count,
            NULL AS numerator,
            NULL AS denominator
        )
    FROM summary AS s
    JOIN merged_categories AS c USING (period_id, class_id)
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
    interval_low,
    interval_high,
    interval_method,
    estimated,
    avg_confidence,
    value_sum,
    value_sum_squares,
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
    plan.selection,
    finished.*
FROM finished
JOIN periods USING (period_id)
JOIN plan USING (plan_id)
JOIN classes USING (class_id);
