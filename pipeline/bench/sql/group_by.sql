-- The floor of aggregation: five aggregates by metric and hour.
SELECT
    metric_key, date_trunc('hour', observed_at) AS hour,
    count(value_number) AS n, sum(value_number) AS total, min(value_number), max(value_number), avg(value_number)
FROM metric_values
GROUP BY ALL;
