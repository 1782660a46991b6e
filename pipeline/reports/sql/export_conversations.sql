-- One row for each conversation: what it is, the value or values of each metric, and why the others have none.
WITH outcome AS (
    SELECT
        entity_id,
        metric_key,
        status,
        CASE
            WHEN value_number IS NULL AND value_boolean IS NULL
                AND NOT ($labels::VARCHAR[] IS NULL OR list_contains($labels::VARCHAR[], metric_key || '@' || definition_version)) THEN NULL
            WHEN value_list IS NOT NULL THEN to_json(value_list)
            WHEN value_boolean IS NOT NULL THEN to_json(value_boolean)
            WHEN value_number IS NOT NULL THEN to_json(value_number)
            ELSE to_json(value_text)
        END AS value
    FROM values_in_force($workspace_id)
    WHERE entity_type = 'conversation'
        AND whole
        AND ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], metric_key))
),

mapped AS (
    SELECT
        entity_id,
        to_json(map_from_entries(list((metric_key, value) ORDER BY metric_key) FILTER (status = 'ok'))) AS metrics,
        to_json(map_from_entries(list((metric_key, status) ORDER BY metric_key) FILTER (status <> 'ok'))) AS metric_status
    FROM outcome
    GROUP BY entity_id
)

SELECT
    c.conversation_id, c.session_id, c.run_id, c.traffic, c.channel, c.direction, c.service_id, c.tags,
    c.started_at, c.ended_at, c.settled_at, c.duration_seconds, c.completion_reason, c.final_state, c.quality_score,
    c.escalated, c.turn_count, c.agent_turn_count, c.user_turn_count, c.tool_call_count, c.tool_failure_count,
    coalesce(m.metrics, '{}'::JSON) AS metrics,
    coalesce(m.metric_status, '{}'::JSON) AS metric_status
FROM conversations AS c
LEFT JOIN mapped AS m ON m.entity_id = c.conversation_id
WHERE c.workspace_id = $workspace_id
    AND ($traffic = 'all' OR c.traffic = $traffic)
    AND ($service_id::VARCHAR IS NULL OR c.service_id = $service_id)
    AND ($date_from::TIMESTAMPTZ IS NULL OR c.started_at >= $date_from::TIMESTAMPTZ)
    AND ($date_to::TIMESTAMPTZ IS NULL OR c.started_at < $date_to::TIMESTAMPTZ)
ORDER BY c.started_at NULLS LAST, c.conversation_id
