-- What was counted -> mergeable parts of each slice and class. A class is one service's traffic, or (service_id NULL) a
-- traffic of all services; what no service is known of is counted in the latter only.
CREATE OR REPLACE TEMP TABLE classes AS
SELECT row_number() OVER () AS class_id, *
FROM (
    SELECT traffic, service_id FROM counted
    UNION
    SELECT traffic, NULL FROM counted
);

-- The classes that a class is merged into. `alone`: nothing else is.
CREATE OR REPLACE TEMP TABLE memberships AS
SELECT class_id AS member_id, class_id, true AS alone
FROM classes
WHERE service_id IS NOT NULL
UNION ALL
SELECT member.class_id, whole.class_id, false
FROM classes AS member
JOIN classes AS whole ON whole.traffic = member.traffic AND whole.service_id IS NULL;

CREATE OR REPLACE TEMP MACRO of_slices(counts) AS TABLE
SELECT slices.slice_id, classes.class_id AS member_id, c.* EXCLUDE (plan_id, tick, traffic, service_id)
FROM query_table(counts) AS c
JOIN classes ON classes.traffic = c.traffic AND classes.service_id IS NOT DISTINCT FROM c.service_id
JOIN slices ON slices.plan_id = c.plan_id
    AND slices.hour_number = floor(c.tick * getvariable('tick') / 3_600_000_000)::BIGINT
    AND slices.since_us <= c.tick * getvariable('tick')
    AND slices.until_us > c.tick * getvariable('tick');

CREATE OR REPLACE TEMP VIEW value_parts AS
SELECT * EXCLUDE (status, numbers) RENAME (value_count AS event_count)
FROM of_slices('counted')
WHERE status = 'ok';

CREATE OR REPLACE TEMP VIEW state_parts AS
SELECT
    slice_id,
    member_id,
    value_count AS without_value_count,
    CASE WHEN status = 'not_applicable' THEN value_count ELSE 0 END AS not_applicable_count,
    CASE WHEN status = 'abstained' THEN value_count ELSE 0 END AS abstained_count,
    CASE WHEN status = 'missing' THEN value_count ELSE 0 END AS missing_count,
    CASE WHEN status = 'out_of_range' THEN value_count ELSE 0 END AS out_of_range_count,
    CASE WHEN status = 'unknown_category' THEN value_count ELSE 0 END AS unknown_category_count,
    CASE WHEN status = 'wrong_type' THEN value_count ELSE 0 END AS wrong_type_count,
    CASE WHEN status = 'parse_error' THEN value_count ELSE 0 END AS parse_error_count,
    CASE WHEN status = 'error' THEN value_count ELSE 0 END AS error_count,
    CASE WHEN status = 'not_sampled' THEN value_count ELSE 0 END AS not_sampled_count,
    CASE WHEN status = 'over_cap' THEN value_count ELSE 0 END AS over_cap_count,
    CASE WHEN status = 'over_budget' THEN value_count ELSE 0 END AS over_budget_count,
    CASE WHEN status = 'no_model' THEN value_count ELSE 0 END AS no_model_count,
    CASE WHEN status = 'pending' THEN value_count ELSE 0 END AS pending_count
FROM of_slices('counted')
WHERE status <> 'ok';

CREATE OR REPLACE TEMP VIEW category_parts AS
FROM of_slices('category_counted');

CREATE OR REPLACE TEMP VIEW number_parts AS
SELECT slice_id, member_id, numbers
FROM of_slices('counted')
WHERE numbers IS NOT NULL;
