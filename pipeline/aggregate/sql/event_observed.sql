-- Event-level values of the recomputed span, from extract's view of what an event is worth.
INSERT INTO event_observed BY NAME
SELECT
    plan.plan_id,
    e.event_type,
    e.observed_at,
    e.traffic,
    e.service_id,
    e.status,
    coalesce(e.value_number, e.value_boolean::DOUBLE) AS number,
    e.value_boolean AS is_true,
    CASE WHEN e.status = 'ok' AND plan.metric_type = 'categorical' THEN
        coalesce(list_distinct(e.value_list), list_filter([e.value_text], lambda label: label IS NOT NULL))
    END AS labels
FROM event_value AS e
JOIN plan USING (metric_key, definition_version)
WHERE e.workspace_id = getvariable('workspace_id')
    AND e.observed_at >= getvariable('since')
    AND e.observed_at < getvariable('until');
