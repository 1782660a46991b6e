-- reads: counted, category_counted, unit_counted, unit_category_counted, places
-- leaves: classes, memberships (the classes that a class is part of), and what was counted in each hour of each period and
--   class: placed_values, strata, hour_weights, placed_categories; views placed_numbers, placed_distinct, placed_units,
--   placed_unit_categories.
-- A class is one service's traffic, or (service_id NULL) a traffic of all services, in one group of a breakdown.
CREATE OR REPLACE TEMP TABLE classes AS
SELECT row_number() OVER () AS class_id, *
FROM (
    SELECT traffic, service_id, group_key FROM counted
    UNION
    SELECT traffic, NULL, group_key FROM counted
);

CREATE OR REPLACE TEMP TABLE memberships AS
SELECT member.traffic, member.service_id, member.group_key, whole.class_id
FROM classes AS member
JOIN classes AS whole
    ON whole.traffic = member.traffic
    AND whole.group_key IS NOT DISTINCT FROM member.group_key
    AND (whole.service_id IS NULL OR whole.service_id = member.service_id);

CREATE OR REPLACE TEMP MACRO placed(counts) AS TABLE
SELECT places.period_id, memberships.class_id, places.hour_number,
    c.* EXCLUDE (plan_id, tick, traffic, service_id, group_key)
FROM query_table(counts) AS c
JOIN memberships
    ON memberships.traffic = c.traffic
    AND memberships.service_id IS NOT DISTINCT FROM c.service_id
    AND memberships.group_key IS NOT DISTINCT FROM c.group_key
JOIN places ON places.plan_id = c.plan_id
    AND places.hour_number = floor(c.tick * getvariable('tick') / 3_600_000_000)::BIGINT
    AND places.since_us <= c.tick * getvariable('tick')
    AND places.until_us > c.tick * getvariable('tick');

CREATE OR REPLACE TEMP TABLE placed_values AS
SELECT
    period_id, class_id, hour_number, value_count AS event_count, value_sum, value_sum_squares, value_sum_cubes,
    value_sum_fourths, value_min, value_max, true_count, numerator, denominator, products, confidence_sum,
    confidence_count
FROM placed('counted')
WHERE status = 'ok';

-- The ledger of each hour of a period.
CREATE OR REPLACE TEMP TABLE strata AS
SELECT
    period_id,
    class_id,
    hour_number,
    sum(value_count)::BIGINT AS eligible_count,
    coalesce(sum(value_count) FILTER (status = 'ok'), 0)::BIGINT AS event_count,
    coalesce(sum(value_count) FILTER (status = 'not_applicable'), 0)::BIGINT AS not_applicable_count,
    coalesce(sum(value_count) FILTER (status = 'abstained'), 0)::BIGINT AS abstained_count,
    coalesce(sum(value_count) FILTER (status = 'missing'), 0)::BIGINT AS missing_count,
    coalesce(sum(value_count) FILTER (status = 'out_of_range'), 0)::BIGINT AS out_of_range_count,
    coalesce(sum(value_count) FILTER (status = 'unknown_category'), 0)::BIGINT AS unknown_category_count,
    coalesce(sum(value_count) FILTER (status = 'wrong_type'), 0)::BIGINT AS wrong_type_count,
    coalesce(sum(value_count) FILTER (status = 'parse_error'), 0)::BIGINT AS parse_error_count,
    coalesce(sum(value_count) FILTER (status = 'error'), 0)::BIGINT AS error_count,
    coalesce(sum(value_count) FILTER (status = 'not_sampled'), 0)::BIGINT AS not_sampled_count,
    coalesce(sum(value_count) FILTER (status = 'over_cap'), 0)::BIGINT AS over_cap_count,
    coalesce(sum(value_count) FILTER (status = 'over_budget'), 0)::BIGINT AS over_budget_count,
    coalesce(sum(value_count) FILTER (status = 'no_model'), 0)::BIGINT AS no_model_count,
    coalesce(sum(value_count) FILTER (status = 'pending'), 0)::BIGINT AS pending_count
FROM placed('counted')
GROUP BY period_id, class_id, hour_number;

-- Of how many each examined conversation of an hour speaks. It is that of the whole UTC hour, also where a period holds a
-- part of it, so that the totals of the parts add up.
CREATE OR REPLACE TEMP TABLE hour_weights AS
SELECT
    c.plan_id,
    memberships.class_id,
    floor(c.tick * getvariable('tick') / 3_600_000_000)::BIGINT AS hour_number,
    sum(c.value_count) / nullif(
        sum(c.value_count) FILTER (c.status NOT IN ('not_sampled', 'over_cap', 'over_budget')), 0
    ) AS weight
FROM counted AS c
JOIN memberships
    ON memberships.traffic = c.traffic
    AND memberships.service_id IS NOT DISTINCT FROM c.service_id
    AND memberships.group_key IS NOT DISTINCT FROM c.group_key
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE placed_categories AS
SELECT
    period_id, class_id, hour_number, category,
    sum(true_count)::BIGINT AS true_count,
    sum(confidence_sum) AS confidence_sum,
    sum(confidence_count)::BIGINT AS confidence_count
FROM placed('category_counted')
GROUP BY period_id, class_id, hour_number, category;

CREATE OR REPLACE TEMP VIEW placed_numbers AS
SELECT period_id, class_id, hour_number, numbers, units
FROM placed('counted')
WHERE numbers IS NOT NULL;

CREATE OR REPLACE TEMP VIEW placed_distinct AS
SELECT period_id, class_id, distinct_values
FROM placed('counted')
WHERE distinct_values IS NOT NULL;

CREATE OR REPLACE TEMP VIEW placed_units AS FROM placed('unit_counted');

CREATE OR REPLACE TEMP VIEW placed_unit_categories AS FROM placed('unit_category_counted');
