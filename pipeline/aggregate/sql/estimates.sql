-- reads: merged, merged_units, merged_categories, deviated, holistic, periods, plan
-- leaves: valued (merged, with the value of each period) and estimates: a row for each value that may have an interval,
--   with its standard error, shape and possible range; `category` is NULL but for the shares of categories

CREATE OR REPLACE TEMP TABLE valued AS
WITH category_summary AS (
    SELECT
        period_id, class_id,
        count(*) AS distinct_count,
        first(category ORDER BY weighted_true DESC, category) AS mode
    FROM merged_categories
    GROUP BY period_id, class_id
),

planned AS (
    SELECT
        m.*,
        plan.family,
        plan.aggregation,
        plan.metric_type,
        plan.clustered,
        plan.measurable,
        plan.random AND NOT m.mixed AS random,
        plan.quantile,
        plan.lowest,
        plan.highest,
        c.distinct_count,
        c.mode,
        h.value AS holistic_value,
        h.bound_low AS holistic_low,
        h.bound_high AS holistic_high,
        h.effective_count AS holistic_count,
        h.standard_error AS holistic_error,
        h.degrees AS holistic_degrees,
        d.size,
        d.value_sum_squares,
        d.value_sum_cubes,
        d.value_sum_fourths,
        d.weighted_2,
        d.weighted_4,
        u.unit_count,
        m.left_out AND plan.family IN ('count', 'sum') AS estimated,
        m.eligible_count - m.not_applicable_count - m.event_count AS without_value,
        CASE WHEN plan.family = 'ratio' THEN m.weighted_denominator ELSE m.weighted_count END AS below,
        CASE WHEN plan.clustered
            THEN finite(u.unit_count / nullif(u.unit_count - 1, 0) * u.away_2)
            ELSE finite(d.variance)
        END AS variance_above,
        CASE WHEN plan.clustered THEN u.away_3 / nullif(u.away_2, 0) ** 1.5 ELSE d.skewness END AS skewness,
        CASE WHEN plan.clustered THEN u.away_4 / nullif(u.away_2, 0) ** 2 ELSE d.kurtosis END AS kurtosis,
        CASE WHEN plan.clustered THEN u.unit_count - 1 ELSE d.degrees END AS degrees
    FROM merged AS m
    JOIN periods USING (period_id)
    JOIN plan USING (plan_id)
    LEFT JOIN category_summary AS c USING (period_id, class_id)
    LEFT JOIN holistic AS h USING (period_id, class_id)
    LEFT JOIN deviated AS d USING (period_id, class_id)
    LEFT JOIN merged_units AS u USING (period_id, class_id)
)

SELECT
    *,
    finite(CASE family
        WHEN 'count' THEN CASE WHEN left_out THEN weighted_count ELSE event_count END
        WHEN 'sum' THEN CASE WHEN left_out THEN weighted_sum ELSE value_sum END
        WHEN 'extreme' THEN CASE aggregation WHEN 'min' THEN value_min ELSE value_max END
        WHEN 'spread' THEN sqrt(weighted_2 / weighted_count * event_count / nullif(event_count - 1, 0))
        WHEN 'distinct' THEN CASE WHEN examined_count > 0 THEN coalesce(distinct_count, holistic_value, 0) END
        WHEN 'quantile' THEN holistic_value
        WHEN 'trimmed' THEN holistic_value
        ELSE centre
    END) AS value,
    -- abs() makes one zero of the two that floating point has.
    abs(CASE family
        WHEN 'count' THEN sqrt(variance_above)
        WHEN 'sum' THEN sqrt(variance_above)
        WHEN 'trimmed' THEN holistic_error
        WHEN 'quantile' THEN NULL
        ELSE sqrt(variance_above) / abs(below)
    END) AS standard_error
FROM planned;

CREATE OR REPLACE TEMP TABLE estimates AS
SELECT
    period_id,
    class_id,
    NULL::VARCHAR AS category,
    family,
    value AS estimate,
    standard_error,
    -- The ends of a trimmed mean are drawn in, so that it is as good as normal.
    CASE WHEN family = 'trimmed' THEN 0 ELSE skewness END AS skewness,
    CASE WHEN family = 'trimmed' THEN 3 / holistic_count ELSE kurtosis END AS kurtosis,
    CASE WHEN family = 'trimmed' THEN holistic_degrees ELSE degrees END AS degrees,
    CASE
        WHEN family = 'quantile' THEN holistic_count
        WHEN family = 'count' THEN
            -- Of everything that was covered, the share that has a value.
            coalesce(
                value / covered_count * (1 - value / covered_count) * covered_count ** 2 / nullif(variance_above, 0),
                kish_examined
            )
        WHEN family = 'share' THEN event_count
    END AS effective_count,
    -- Events of one conversation, or hours with weights, are no simple sample.
    family = 'share' AND (left_out OR clustered) AS designed,
    covered_count AS whole,
    CASE
        -- What was seen is certain, whatever the rest holds; what has no value adds nothing.
        WHEN family = 'count' THEN event_count
        WHEN family = 'sum' THEN value_sum + (eligible_count - examined_count) * (CASE WHEN lowest < 0 THEN lowest ELSE lowest * 0 END)
        WHEN family = 'ratio' THEN ratio_lowest
        ELSE lowest
    END AS lowest,
    CASE
        WHEN family = 'count' THEN event_count + eligible_count - examined_count
        WHEN family = 'sum' THEN value_sum + (eligible_count - examined_count) * (CASE WHEN highest > 0 THEN highest ELSE highest * 0 END)
        WHEN family = 'ratio' THEN NULL
        ELSE highest
    END AS highest,
    quantile,
    CASE WHEN family = 'spread' THEN coalesce(unit_count, event_count) END AS spread_count,
    CASE WHEN family = 'spread' THEN weighted_4 / nullif(weighted_2, 0) ** 2 * weighted_count / event_count END
        AS spread_kurtosis
FROM (SELECT v.*, plan.ratio_lowest FROM valued AS v JOIN periods USING (period_id) JOIN plan USING (plan_id))
WHERE value IS NOT NULL
    AND (event_count > 0 OR family = 'count')
    AND measurable
    AND (random OR NOT left_out)
    AND (
        family IN ('mean', 'share', 'ratio', 'spread', 'quantile', 'trimmed')
        OR estimated AND covered_count > examined_count
    )
UNION ALL BY NAME
SELECT
    c.period_id,
    c.class_id,
    c.category,
    'share' AS family,
    c.share AS estimate,
    sqrt(c.variance) AS standard_error,
    c.skewness,
    c.kurtosis,
    c.degrees,
    c.event_count AS effective_count,
    c.designed,
    0.0 AS lowest,
    1.0 AS highest
FROM merged_categories AS c
JOIN valued AS v USING (period_id, class_id)
WHERE v.measurable AND (v.random OR NOT v.left_out);
