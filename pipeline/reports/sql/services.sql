-- Services that a metric has period rows of, the fifty with most conversations.
SELECT service_id
FROM metric_periods
WHERE workspace_id = $workspace_id
    AND metric_key = $key
    AND service_id IS NOT NULL
    AND superseded_at IS NULL
GROUP BY service_id
ORDER BY sum(eligible_count) DESC, service_id
LIMIT 50;
