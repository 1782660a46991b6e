-- What was counted -> mergeable parts of each slice, for each service and (service_id NULL) for all of them.
CREATE OR REPLACE TEMP MACRO slice_of_tick(ticks) AS TABLE
SELECT slices.slice_id, t.* EXCLUDE (plan_id, tick)
FROM query_table(ticks) AS t
JOIN slices ON slices.plan_id = t.plan_id
    AND slices.hour_number = floor(t.tick * getvariable('tick') / 3_600_000_000)::BIGINT
    AND slices.since_us <= t.tick * getvariable('tick')
    AND slices.until_us > t.tick * getvariable('tick');

CREATE OR REPLACE TEMP MACRO services_of(service_id) AS
    CASE WHEN service_id IS NULL THEN [NULL] ELSE [service_id, NULL] END;

CREATE OR REPLACE TEMP TABLE parts AS
SELECT
    slice_id,
    traffic,
    unnest(services_of(service_id)) AS service_id,
    value_count AS eligible_count,
    CASE WHEN status = 'ok' THEN value_count ELSE 0 END AS event_count,
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
    CASE WHEN status = 'pending' THEN value_count ELSE 0 END AS pending_count,
    CASE WHEN status = 'ok' THEN confidence_sum END AS confidence_sum,
    CASE WHEN status = 'ok' THEN confidence_count END AS confidence_count,
    value_sum,
    value_sum_squares,
    value_min,
    value_max,
    true_count,
    numerator,
    denominator
FROM slice_of_tick('counted');

CREATE OR REPLACE TEMP TABLE category_parts AS
SELECT * REPLACE (unnest(services_of(service_id)) AS service_id)
FROM slice_of_tick('category_counted');
