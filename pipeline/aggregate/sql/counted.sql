-- Values of one span, counted and summed. By state, so that one count serves all states.
INSERT INTO counted BY NAME
SELECT
    plan_id,
    tick,
    traffic,
    service_id,
    status,
    count(*) AS value_count,
    sum(confidence) AS confidence_sum,
    count(confidence) AS confidence_count,
    finite(sum(number)) AS value_sum,
    -- DuckDB stops with an error where a square leaves the range of a double; beyond 1e150 there is no sum of squares.
    CASE WHEN max(abs(number)) < 1e150
        THEN var_pop(number) FILTER (WHERE abs(number) < 1e150) * count(number)
    END AS value_sum_squares,
    min(number) AS value_min,
    max(number) AS value_max,
    CASE WHEN bool_or(is_true IS NOT NULL) THEN count_if(is_true) END AS true_count,
    finite(sum(numerator)) AS numerator,
    finite(sum(denominator)) AS denominator,
    -- One by one for just the metrics that ask for it.
    list(number) FILTER (needs_numbers AND number IS NOT NULL) AS numbers
FROM entered
GROUP BY plan_id, tick, traffic, service_id, status;
