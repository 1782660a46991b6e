-- One metric by hour, with everything that a metric may ask for.
SELECT
    date_trunc('hour', observed_at) AS hour,
    count(value_number) AS n, sum(value_number) AS total, min(value_number), max(value_number), avg(value_number),
    quantile_cont(value_number, [0.5, 0.9, 0.95, 0.99]), count(DISTINCT value_number), stddev_samp(value_number)
FROM metric_values
WHERE metric_key = $key
GROUP BY ALL;
