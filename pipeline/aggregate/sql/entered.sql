-- reads: metric_values through source_values, plan, event_observed, ratio_observed; variables since, until, tick
-- leaves: value_observed and entered, views: a row for each value with its state, so that each reader takes only what it
--   needs. number, exact, is_true and labels, or numerator and denominator, are set on values that are `ok` and no others.

CREATE OR REPLACE TEMP VIEW value_observed AS
SELECT
    plan.plan_id,
    plan.reads,
    v.entity_id AS conversation_id,
    v.observed_at,
    v.traffic,
    v.service_id,
    v.group_key,
    v.status,
    v.confidence,
    CASE WHEN v.status = 'ok' THEN coalesce(v.value_number, v.value_boolean::DOUBLE) END AS number,
    -- An integer that a double cannot hold has its digits beside it.
    CASE WHEN v.status = 'ok' AND plan.family = 'distinct' AND plan.metric_type = 'numerical'
        THEN v.value_text
    END AS exact,
    CASE WHEN v.status = 'ok' THEN v.value_boolean END AS is_true,
    CASE WHEN v.status = 'ok' AND plan.metric_type = 'categorical' THEN
        coalesce(list_distinct(v.value_list), list_filter([v.value_text], lambda label: label IS NOT NULL))
    END AS labels
FROM source_values AS v
JOIN plan USING (metric_key, definition_version)
WHERE v.workspace_id = getvariable('workspace_id')
    AND v.participant IS NULL
    AND v.segment_from IS NULL
    AND v.sample_index = 0;

CREATE OR REPLACE TEMP VIEW entered AS
WITH observed AS (
    SELECT
        plan_id, conversation_id, observed_at, traffic, service_id, group_key, status, confidence, number, exact, is_true, labels,
        NULL::DOUBLE AS numerator,
        NULL::DOUBLE AS denominator
    FROM value_observed
    WHERE reads = 'values'
    UNION ALL BY NAME
    SELECT plan_id, conversation_id, observed_at, traffic, service_id, group_key, status, number, exact, is_true, labels
    FROM event_observed
    JOIN plan USING (plan_id)
    WHERE plan.reads = 'event_values'
    UNION ALL BY NAME
    FROM ratio_observed
)

SELECT * EXCLUDE (observed_at), floor(epoch_us(observed_at) / getvariable('tick'))::BIGINT AS tick
FROM observed
WHERE observed_at >= getvariable('since') AND observed_at < getvariable('until');
