-- reads: period_rows, periods, classes
-- leaves: the rows of the spans that were asked for, each with the key of its group; a metric's own aggregation before others
SELECT
    $workspace_id AS workspace_id,
    r.* EXCLUDE (period_id, class_id, service_id),
    classes.group_key
FROM period_rows AS r
JOIN periods USING (period_id)
JOIN classes USING (class_id)
ORDER BY periods.plan_id, r.traffic, r.period_start, r.eligible_count DESC, classes.group_key NULLS LAST,
    r.category NULLS FIRST;
