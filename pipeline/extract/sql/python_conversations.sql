-- What a python metric is told about some conversations.
SELECT
    conversation_id, started_at, ended_at, channel, direction, service_id, session_id, tags, traffic, completion_reason,
    final_state, duration_seconds, quality_score, escalated, event_count, turn_count, agent_turn_count, user_turn_count,
    tool_call_count, tool_failure_count, intelligence,
    list_transform(turns, lambda t: {
        'index': t.index, 'role': t.role, 'participant': t.participant, 'text': t.text,
        'started_at': t.started_at, 'ended_at': t.ended_at, 'event_id': t.event_id, 'data': t.data
    }) AS turns,
    coalesce(others.events, []) AS events
FROM conversations
LEFT JOIN (
    SELECT
        conversation_id,
        list({
            'event_id': event_id, 'event_type': event_type, 'occurred_at': occurred_at, 'participant': participant,
            'data': data
        } ORDER BY occurred_at NULLS LAST, sequence NULLS LAST, event_id) AS events
    FROM events
    WHERE workspace_id = $workspace_id
        AND ($since::TIMESTAMPTZ IS NULL OR ingested_at >= $since)
        AND conversation_id IN (SELECT unnest(from_json($conversation_ids, '["VARCHAR"]')))
        AND event_type NOT LIKE '%.turn'
    GROUP BY conversation_id
) AS others USING (conversation_id)
WHERE workspace_id = $workspace_id
    AND ($since::TIMESTAMPTZ IS NULL OR first_arrival_at >= $since)
    AND conversation_id IN (SELECT unnest(from_json($conversation_ids, '["VARCHAR"]')))
