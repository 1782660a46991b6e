-- reads: period_rows, classes
-- leaves: the rows of the spans that were asked for, each with the key of its group
SELECT
    $workspace_id AS workspace_id,
    r.* EXCLUDE (period_id, class_id, service_id),
    classes.group_key
FROM period_rows AS r
JOIN classes USING (class_id)
ORDER BY r.metric_key, r.aggregation, r.traffic, r.period_start, r.eligible_count DESC, classes.group_key NULLS LAST,
    r.category NULLS FIRST;
