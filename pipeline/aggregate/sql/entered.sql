-- What enters the periods: a row for each value with its state. Views, so that each reader takes only what it needs.
-- number, is_true and labels, or numerator and denominator, are set on values that are `ok` and on no others.

CREATE OR REPLACE TEMP VIEW value_observed AS
SELECT
    plan.plan_id,
    plan.reads,
    plan.metric_type,
    plan.needs_numbers,
    v.entity_id,
    v.observed_at,
    v.traffic,
    v.service_id,
    v.status,
    v.confidence,
    CASE WHEN v.status = 'ok' THEN coalesce(v.value_number, v.value_boolean::DOUBLE) END AS number,
    CASE WHEN v.status = 'ok' THEN v.value_boolean END AS is_true,
    CASE WHEN v.status = 'ok' AND plan.metric_type = 'categorical' THEN
        coalesce(list_distinct(v.value_list), list_filter([v.value_text], lambda label: label IS NOT NULL))
    END AS labels
FROM metric_values AS v
JOIN plan USING (metric_key, definition_version)
WHERE v.workspace_id = getvariable('workspace_id')
    AND v.participant IS NULL
    AND v.segment_from IS NULL
    AND v.sample_index = 0;

CREATE OR REPLACE TEMP VIEW entered AS
WITH observed AS (
    SELECT
        plan_id, metric_type, needs_numbers,
        observed_at, traffic, service_id, status, confidence, number, is_true, labels,
        NULL::DOUBLE AS numerator,
        NULL::DOUBLE AS denominator
    FROM value_observed
    WHERE reads = 'values'
    UNION ALL BY NAME
    SELECT
        plan_id, plan.metric_type, plan.needs_numbers,
        observed_at, traffic, service_id, status, number, is_true, labels
    FROM event_observed
    JOIN plan USING (plan_id)
    WHERE plan.reads = 'event_values'
    UNION ALL BY NAME
    FROM ratio_observed
)

SELECT * EXCLUDE (observed_at), floor(epoch_us(observed_at) / getvariable('tick'))::BIGINT AS tick
FROM observed
WHERE observed_at >= getvariable('since') AND observed_at < getvariable('until');
