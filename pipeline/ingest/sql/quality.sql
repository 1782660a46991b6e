-- The quality score: 100 less what each component costs, from the summary as merged. `quality` has a row where an agent and
-- a user took part and nobody provided a score.

CREATE OR REPLACE TEMP TABLE quality AS
WITH weighed AS (
    SELECT
        conversation_id,
        channel IS NOT DISTINCT FROM 'voice' AS is_voice,
        list_filter([
            {
                'name': 'latency', 'value': slow_ms, 'threshold': if(is_voice, 1200, 5000),
                'points': if(is_voice, 1 / 150, 1 / 1000), 'cap': 20
            },
            {'name': 'silence', 'value': silence_ratio, 'threshold': 0.3, 'points': 60, 'cap': 20},
            {'name': 'barge_ins', 'value': barge_ins, 'threshold': 0, 'points': 3, 'cap': 15},
            {'name': 'loops', 'value': loops, 'threshold': 0, 'points': 4, 'cap': 15},
            {'name': 'escalation', 'value': escalated::INT, 'threshold': 0, 'points': 10, 'cap': 10},
            {'name': 'tool_failures', 'value': tool_failures, 'threshold': 0, 'points': 7, 'cap': 20}
        ], lambda component: component.value IS NOT NULL) AS components
    FROM merged JOIN frame USING (conversation_id)
    WHERE NOT coalesce(json_exists(provided, '$.quality_score'), false)
      AND (agent_turns > 0 OR agent_talk > 0) AND (user_turns > 0 OR user_talk > 0)
),
penalised AS (
    SELECT
        conversation_id,
        list_transform(components, lambda component: struct_insert(
            struct_pack(name := component.name, value := component.value, threshold := component.threshold),
            penalty := round(least(
                component.cap, greatest(0, (component.value - component.threshold) * component.points)
            ), 2)
        )) AS components
    FROM weighed
)
SELECT
    conversation_id,
    round(100 - coalesce(list_sum(list_transform(components, lambda component: component.penalty)), 0), 2) AS score,
    list_transform(components, lambda component: struct_insert(component, severity := CASE
        WHEN component.penalty = 0 THEN 'none' WHEN component.penalty < 5 THEN 'minor'
        WHEN component.penalty < 15 THEN 'major' ELSE 'critical'
    END)) AS components
FROM penalised;
