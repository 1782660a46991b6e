-- For each check in `asked`: its conversations, how many have a value of the version in force, how many satisfy it.
WITH decided AS (
    SELECT
        a.name,
        c.conversation_id,
        v.status,
        v.status = 'ok' AND CASE a.metric_type
            WHEN 'numerical' THEN CASE a.operator
                WHEN '==' THEN v.value_number = a.number
                WHEN '!=' THEN v.value_number <> a.number
                WHEN '<' THEN v.value_number < a.number
                WHEN '<=' THEN v.value_number <= a.number
                WHEN '>' THEN v.value_number > a.number
                WHEN '>=' THEN v.value_number >= a.number
            END
            WHEN 'boolean' THEN (v.value_boolean = a.flag) = (a.operator = '==')
            ELSE coalesce(v.value_text = a.label, list_contains(v.value_list, a.label)) = (a.operator = '==')
        END AS passed,
        v.status IS NULL AND greatest(coalesce(c.ended_at, c.last_arrival_at), c.last_arrival_at) < a.due AS overlooked
    FROM asked AS a
    JOIN conversations AS c
        ON c.workspace_id = $workspace_id
        AND (a.traffic = 'all' OR c.traffic = a.traffic)
        AND (a.service IS NULL OR c.service_id = a.service)
        AND (a.channel IS NULL OR c.channel = a.channel)
        AND (a.tags IS NULL OR list_has_any(c.tags, a.tags))
        AND (a.run_id IS NULL OR c.run_id = a.run_id)
        AND ($date_from::TIMESTAMPTZ IS NULL OR c.started_at >= $date_from::TIMESTAMPTZ)
        AND ($date_to::TIMESTAMPTZ IS NULL OR c.started_at < $date_to::TIMESTAMPTZ)
    LEFT JOIN metric_values AS v
        ON v.workspace_id = $workspace_id
        AND v.metric_key = a.metric_key
        AND v.definition_version = a.definition_version
        AND v.entity_type = 'conversation'
        AND v.entity_id = c.conversation_id
        AND v.participant IS NULL
        AND v.segment_from IS NULL
        AND v.sample_index = 0
),

counted AS (
    SELECT
        name,
        count(*) AS eligible_count,
        count(*) FILTER (status = 'not_applicable') AS not_applicable_count,
        count(*) FILTER (status = 'ok') AS event_count,
        count(*) FILTER (passed) AS passed_count,
        count(*) FILTER (overlooked) AS overlooked_count,
        histogram(coalesce(status, 'pending')) AS states
    FROM decided
    GROUP BY name
)

SELECT
    *,
    passed_count / nullif(event_count, 0) AS pass_rate,
    event_count / nullif(eligible_count - not_applicable_count, 0) AS coverage
FROM counted;
