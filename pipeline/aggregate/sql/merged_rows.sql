-- reads: period_rows
-- leaves: the rows of the spans that were merged from hours
SELECT $workspace_id AS workspace_id, * EXCLUDE (period_id, class_id)
FROM period_rows
ORDER BY metric_key, traffic, service_id NULLS FIRST, period_start, category NULLS FIRST;
