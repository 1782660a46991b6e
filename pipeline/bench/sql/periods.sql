-- A current row of each definition for each period; four values in each.
INSERT INTO metric_periods BY NAME
SELECT
    $workspace_id AS workspace_id, d.key AS metric_key, d.version AS definition_version, 'numerical' AS metric_type,
    'avg' AS aggregation, 'production' AS traffic, $granularity AS granularity,
    $first::TIMESTAMPTZ + n * $step::INTERVAL AS period_start,
    $first::TIMESTAMPTZ + (n + 1) * $step::INTERVAL AS period_end,
    (hash(n, d.key) % 1000)::DOUBLE AS value, 4 AS event_count, 4 AS eligible_count, /*counts*/, 1.0 AS coverage,
    'none' AS interval_method, 'all' AS selection, false AS estimated, now() AS computed_at, 1 AS revision,
    4.0 AS value_sum
FROM metric_definitions AS d CROSS JOIN range($periods) AS periods(n)
ORDER BY period_start, d.key;
