-- Conversations that pass the filters; {outcome} is compiled from the metric filter, {order} is newest or random.
WITH outcome AS (
    SELECT entity_id, metric_key, value_number, value_text, value_boolean, value_list
    FROM values_in_force($workspace_id)
    WHERE entity_type = 'conversation' AND whole AND status = 'ok'
)

SELECT
    conversation_id, started_at, ended_at, settled_at, channel, direction, service_id, tags, traffic, run_id,
    session_id, completion_reason, final_state, duration_seconds, quality_score, escalated, turn_count,
    agent_turn_count, user_turn_count, tool_call_count, tool_failure_count, count(*) OVER () AS total
FROM conversations
WHERE workspace_id = $workspace_id
    AND ($traffic = 'all' OR traffic = $traffic)
    AND ($service_id::VARCHAR IS NULL OR service_id = $service_id)
    AND ($channel::VARCHAR IS NULL OR channel = $channel)
    AND ($run_id::VARCHAR IS NULL OR run_id = $run_id)
    AND ($session_id::VARCHAR IS NULL OR session_id = $session_id)
    AND ($date_from::TIMESTAMPTZ IS NULL OR started_at >= $date_from::TIMESTAMPTZ)
    AND ($date_to::TIMESTAMPTZ IS NULL OR started_at < $date_to::TIMESTAMPTZ)
    AND ({outcome})
ORDER BY {order}
LIMIT $limit OFFSET $offset;
