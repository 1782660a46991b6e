-- What enters each slice: a row for each value with its state. Takes `plan`, `slices`, `event_observed`.
-- number, is_true and labels, or numerator and denominator, are set on values that are `ok` and on no others.

CREATE OR REPLACE TEMP TABLE entered AS
WITH value_observed AS (
    SELECT
        plan.plan_id,
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
    WHERE v.workspace_id = $workspace_id
        AND v.participant IS NULL
        AND v.segment_from IS NULL
        AND v.sample_index = 0
        AND v.observed_at >= $since
        AND v.observed_at < $until
),

numerators AS (
    SELECT plan.plan_id, o.* EXCLUDE (plan_id)
    FROM value_observed AS o
    JOIN plan ON plan.numerator_id = o.plan_id
),

denominators AS (
    SELECT plan.plan_id, o.* EXCLUDE (plan_id)
    FROM value_observed AS o
    JOIN plan ON plan.denominator_id = o.plan_id
),

paired AS (
    SELECT
        plan_id,
        coalesce(d.observed_at, n.observed_at) AS observed_at,
        coalesce(d.traffic, n.traffic) AS traffic,
        coalesce(d.service_id, n.service_id) AS service_id,
        CASE
            WHEN n.status = 'ok' AND d.status = 'ok' THEN 'ok'
            WHEN n.status = 'not_applicable' OR d.status = 'not_applicable' THEN 'not_applicable'
            ELSE coalesce(nullif(n.status, 'ok'), nullif(d.status, 'ok'), 'pending')
        END AS status,
        least(n.confidence, d.confidence) AS confidence,
        n.number AS numerator,
        d.number AS denominator
    FROM numerators AS n
    FULL JOIN denominators AS d USING (plan_id, entity_id)
    SEMI JOIN (FROM plan WHERE reads = 'paired_values') USING (plan_id)
),

observed AS (
    SELECT plan_id, observed_at, traffic, service_id, status, confidence, number, is_true, labels FROM value_observed
    UNION ALL
    SELECT plan_id, observed_at, traffic, service_id, status, NULL, number, is_true, labels FROM event_observed
),

ready AS (
    SELECT o.*, NULL::DOUBLE AS numerator, NULL::DOUBLE AS denominator
    FROM observed AS o
    SEMI JOIN (FROM plan WHERE reads IN ('values', 'event_values')) USING (plan_id)
    UNION ALL BY NAME
    SELECT
        plan_id, observed_at, traffic, service_id, status, confidence,
        CASE WHEN status = 'ok' THEN numerator END AS numerator,
        CASE WHEN status = 'ok' THEN denominator END AS denominator
    FROM paired
    UNION ALL BY NAME
    SELECT
        plan.plan_id, o.observed_at, o.traffic, o.service_id, o.status, o.confidence,
        CASE WHEN o.plan_id = plan.numerator_id THEN o.number WHEN o.status = 'ok' THEN 0 END AS numerator,
        CASE WHEN o.plan_id = plan.denominator_id THEN o.number WHEN o.status = 'ok' THEN 0 END AS denominator
    FROM observed AS o
    JOIN plan ON o.plan_id IN (plan.numerator_id, plan.denominator_id) AND plan.reads = 'separate_values'
    UNION ALL BY NAME
    SELECT
        plan_id, o.observed_at, o.traffic, o.service_id, o.status,
        CASE WHEN o.status = 'ok' THEN (o.event_type = plan.numerator_event)::DOUBLE END AS numerator,
        CASE WHEN o.status = 'ok' THEN (o.event_type = plan.denominator_event)::DOUBLE END AS denominator
    FROM event_observed AS o
    JOIN plan USING (plan_id)
    WHERE plan.reads = 'event_counts' AND o.event_type IN (plan.numerator_event, plan.denominator_event)
)

SELECT slices.slice_id, slices.plan_id, ready.* EXCLUDE (plan_id, observed_at)
FROM ready
JOIN slices ON ready.plan_id = slices.plan_id
    AND epoch_us(ready.observed_at) // 3_600_000_000 = slices.hour_number
    AND ready.observed_at >= slices.since
    AND ready.observed_at < slices.until;
