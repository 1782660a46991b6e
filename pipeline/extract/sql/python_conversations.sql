-- What a python metric is told about some conversations.
SELECT
    conversation_id, started_at, ended_at, channel, direction, service_id, tags, traffic, completion_reason,
    final_state, duration_seconds, quality_score, escalated, turn_count, agent_turn_count, user_turn_count,
    tool_call_count, tool_failure_count, intelligence,
    list_transform(turns, lambda t: {
        'index': t.index, 'role': t.role, 'participant': t.participant, 'text': t.text,
        'started_at': t.started_at, 'ended_at': t.ended_at, 'data': t.data
    }) AS turns
FROM conversations
WHERE workspace_id = $workspace_id
    AND ($since::TIMESTAMPTZ IS NULL OR first_arrival_at >= $since)
    AND conversation_id IN (SELECT unnest(from_json($conversation_ids, '["VARCHAR"]')))
