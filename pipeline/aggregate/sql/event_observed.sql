-- reads: extract's view event_value, through source_events; plan; variables since, until
-- leaves: rows of event_observed: what each event of the span is worth to the metrics that read events
INSERT INTO event_observed BY NAME
SELECT
    plan.plan_id,
    e.event_type,
    e.conversation_id,
    e.observed_at,
    e.traffic,
    e.service_id,
    e.group_key,
    e.status,
    coalesce(e.value_number, e.value_boolean::DOUBLE) AS number,
    CASE WHEN plan.family = 'distinct' AND plan.metric_type = 'numerical' THEN e.value_text END AS exact,
    e.value_boolean AS is_true,
    CASE WHEN e.status = 'ok' AND plan.metric_type = 'categorical' THEN
        coalesce(list_distinct(e.value_list), list_filter([e.value_text], lambda label: label IS NOT NULL))
    END AS labels
FROM source_events AS e
JOIN plan USING (metric_key, definition_version)
WHERE e.workspace_id = getvariable('workspace_id')
    AND e.observed_at >= getvariable('since')
    AND e.observed_at < getvariable('until');
