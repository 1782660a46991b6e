-- A value of each metric for each of $conversations conversations, whose starts are spread over $days days; whole
-- numbers, so that sums are the same in any order.
INSERT INTO metric_values BY NAME
SELECT
    $workspace_id AS workspace_id, metric.key AS metric_key, metric.version AS definition_version,
    'conversation' AS entity_type, 'c' || n AS entity_id, 0 AS sample_index,
    $first::TIMESTAMPTZ + to_microseconds(n * (86400000000 * $days // $conversations)) AS observed_at,
    'production' AS traffic, ['billing', 'sales', 'support'][1 + n % 3] AS service_id,
    if(metric.type = 'numerical', (hash(n, metric.key) % 1000)::DOUBLE, NULL) AS value_number,
    if(metric.type = 'boolean', hash(n, metric.key) % 3 = 0, NULL) AS value_boolean,
    if(metric.type = 'categorical', 'label ' || hash(n, metric.key) % 8, NULL) AS value_text,
    'ok' AS status, 1 AS attempts, md5(entity_id) AS content_hash, observed_at AS computed_at, 'earlier' AS run_id
FROM range($conversations) AS conversations(n), (SELECT unnest($metrics, max_depth := 2)) AS metric(key, version, type)
ORDER BY n;

INSERT INTO stale_periods BY NAME
SELECT DISTINCT workspace_id, metric_key, definition_version, date_trunc('hour', observed_at) AS hour
FROM metric_values;
