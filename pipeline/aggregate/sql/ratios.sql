-- reads: value_observed, event_observed, plan; variables since, until
-- leaves: rows of ratio_observed: what enters the ratios of one span: pairs of two metrics' values of a conversation, or
--   values and events by themselves
INSERT INTO ratio_observed BY NAME
WITH read AS (
    FROM value_observed WHERE observed_at >= getvariable('since') AND observed_at < getvariable('until')
),

numerators AS (
    SELECT plan.plan_id, o.* EXCLUDE (plan_id)
    FROM read AS o
    JOIN plan ON plan.numerator_id = o.plan_id
),

denominators AS (
    SELECT plan.plan_id, o.* EXCLUDE (plan_id)
    FROM read AS o
    JOIN plan ON plan.denominator_id = o.plan_id
),

paired AS (
    SELECT
        coalesce(d.plan_id, n.plan_id) AS plan_id,
        coalesce(d.conversation_id, n.conversation_id) AS conversation_id,
        coalesce(d.observed_at, n.observed_at) AS observed_at,
        coalesce(d.traffic, n.traffic) AS traffic,
        coalesce(d.service_id, n.service_id) AS service_id,
        coalesce(d.group_key, n.group_key) AS group_key,
        CASE
            WHEN n.status = 'ok' AND d.status = 'ok' THEN 'ok'
            WHEN n.status = 'not_applicable' OR d.status = 'not_applicable' THEN 'not_applicable'
            ELSE coalesce(nullif(n.status, 'ok'), nullif(d.status, 'ok'), 'pending')
        END AS status,
        least(n.confidence, d.confidence) AS confidence,
        n.number AS numerator,
        d.number AS denominator
    FROM numerators AS n
    FULL JOIN denominators AS d
        ON d.plan_id = n.plan_id AND d.conversation_id = n.conversation_id AND d.group_key IS NOT DISTINCT FROM n.group_key
    SEMI JOIN (FROM plan WHERE reads = 'paired_values') AS asking ON asking.plan_id = coalesce(d.plan_id, n.plan_id)
),

events AS (
    FROM event_observed WHERE observed_at >= getvariable('since') AND observed_at < getvariable('until')
),

either AS (
    SELECT plan_id, conversation_id, observed_at, traffic, service_id, group_key, status, confidence, number FROM read
    UNION ALL
    SELECT plan_id, conversation_id, observed_at, traffic, service_id, group_key, status, NULL, number FROM events
)

SELECT
    plan_id, conversation_id, observed_at, traffic, service_id, group_key, status, confidence,
    CASE WHEN status = 'ok' THEN numerator END AS numerator,
    CASE WHEN status = 'ok' THEN denominator END AS denominator
FROM paired
UNION ALL BY NAME
SELECT
    plan.plan_id, o.conversation_id, o.observed_at, o.traffic, o.service_id, o.group_key, o.status, o.confidence,
    CASE WHEN o.plan_id = plan.numerator_id THEN o.number WHEN o.status = 'ok' THEN 0 END AS numerator,
    CASE WHEN o.plan_id = plan.denominator_id THEN o.number WHEN o.status = 'ok' THEN 0 END AS denominator
FROM either AS o
JOIN plan ON o.plan_id IN (plan.numerator_id, plan.denominator_id) AND plan.reads = 'separate_values'
UNION ALL BY NAME
SELECT
    plan_id, o.conversation_id, o.observed_at, o.traffic, o.service_id, o.group_key, o.status,
    CASE WHEN o.status = 'ok' THEN (o.event_type = plan.numerator_event)::DOUBLE END AS numerator,
    CASE WHEN o.status = 'ok' THEN (o.event_type = plan.denominator_event)::DOUBLE END AS denominator
FROM events AS o
JOIN plan USING (plan_id)
WHERE plan.reads = 'event_counts' AND o.event_type IN (plan.numerator_event, plan.denominator_event);
