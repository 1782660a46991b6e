-- Values -> mergeable parts of each slice, for each service and (service_id NULL) for all of them. Takes `entered`.

CREATE OR REPLACE TEMP TABLE parts AS
SELECT
    slice_id,
    traffic,
    service_id,
    count(*) AS eligible_count,
    count_if(status = 'ok') AS event_count,
    count_if(status = 'not_applicable') AS not_applicable_count,
    count_if(status = 'abstained') AS abstained_count,
    count_if(status = 'missing') AS missing_count,
    count_if(status = 'out_of_range') AS out_of_range_count,
    count_if(status = 'unknown_category') AS unknown_category_count,
    count_if(status = 'wrong_type') AS wrong_type_count,
    count_if(status = 'parse_error') AS parse_error_count,
    count_if(status = 'error') AS error_count,
    count_if(status = 'not_sampled') AS not_sampled_count,
    count_if(status = 'over_cap') AS over_cap_count,
    count_if(status = 'over_budget') AS over_budget_count,
    count_if(status = 'no_model') AS no_model_count,
    count_if(status = 'pending') AS pending_count,
    sum(confidence) FILTER (WHERE status = 'ok') AS confidence_sum,
    count(confidence) FILTER (WHERE status = 'ok') AS confidence_count,
    finite(sum(number)) AS value_sum,
    -- DuckDB stops with an error where a square leaves the range of a double; beyond 1e150 there is no sum of squares.
    CASE WHEN max(abs(number)) < 1e150
        THEN var_pop(number) FILTER (WHERE abs(number) < 1e150) * count(number)
    END AS value_sum_squares,
    min(number) AS value_min,
    max(number) AS value_max,
    CASE WHEN bool_or(is_true IS NOT NULL) THEN count_if(is_true) END AS true_count,
    finite(sum(numerator)) AS numerator,
    finite(sum(denominator)) AS denominator
FROM entered
GROUP BY GROUPING SETS ((slice_id, traffic, service_id), (slice_id, traffic))
HAVING NOT (grouping(service_id) = 0 AND service_id IS NULL);

CREATE OR REPLACE TEMP TABLE category_parts AS
WITH labelled AS (
    SELECT slice_id, traffic, service_id, confidence, unnest(labels) AS category FROM entered
)
SELECT
    slice_id,
    traffic,
    service_id,
    category,
    count(*) AS true_count,
    sum(confidence) AS confidence_sum,
    count(confidence) AS confidence_count
FROM labelled
GROUP BY GROUPING SETS ((slice_id, traffic, service_id, category), (slice_id, traffic, category))
HAVING NOT (grouping(service_id) = 0 AND service_id IS NULL);
