-- reads: placed_categories, placed_unit_categories, weighed, merged, units, merged_units, periods, plan
-- leaves: rows of merged_categories: each category of a period and class with its count, its share, and how the share varies

INSERT INTO merged_categories BY NAME
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
hits_by_hour AS (
    SELECT
        s.period_id, s.class_id, s.category, s.share, w.weight, w.examined_count, w.event_count AS size,
        coalesce(c.true_count, 0) AS hits
    FROM shared AS s
    JOIN weighed AS w USING (period_id, class_id)
    LEFT JOIN placed_categories AS c USING (period_id, class_id, hour_number, category)
    WHERE s.left_out AND NOT s.clustered AND w.event_count > 0
),

from_share AS (
    SELECT
        *,
        hits - share * size AS from_1,
        hits * (1 - share) ** 2 + (size - hits) * share ** 2 AS from_2,
        hits * (1 - share) ** 3 - (size - hits) * share ** 3 AS from_3,
        hits * (1 - share) ** 4 + (size - hits) * share ** 4 AS from_4
    FROM hits_by_hour
),

-- Within the hour, as far as it has more than one value.
shifted AS (
    SELECT *, CASE WHEN size > 1 THEN from_1 / examined_count ELSE 0 END AS shift
    FROM from_share
),

by_hour AS (
    SELECT
        period_id, class_id, category, weight, size,
        from_2 - shift * from_1 AS away_2,
        from_3 - 3 * shift * from_2 + 2 * shift ** 2 * from_1 AS away_3,
        from_4 - 4 * shift * from_3 + 6 * shift ** 2 * from_2 - 3 * shift ** 3 * from_1 AS away_4,
        weight ** 2 * size / greatest(size - 1, 1) * away_2 AS variance
    FROM shifted
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
