-- What was computed of the conversations that start with 'new-', by state, and of the period rows of their hour.
SELECT 'values ' || status AS name, count(*)::BIGINT AS rows, round(sum(value_number), 3) AS total
FROM metric_values
WHERE starts_with(entity_id, 'new-')
GROUP BY status
UNION ALL
SELECT 'periods', count(*)::BIGINT, round(sum(value), 3)
FROM metric_periods
WHERE granularity = 'hour' AND period_start = $hour::TIMESTAMPTZ AND superseded_at IS NULL
ORDER BY name;
