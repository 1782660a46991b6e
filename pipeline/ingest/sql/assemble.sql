-- Replaces the conversations of one batch by what their events say. All but `conversations` and the stale rows is temporary.

DELETE FROM conversations
WHERE workspace_id = $workspace_id
  AND conversation_id IN (SELECT conversation_id FROM stale_batches WHERE batch = $batch);

INSERT INTO conversations BY NAME
SELECT
    $workspace_id AS workspace_id,
    conversation_id,
    started_at,
    ended_at,
    CASE
        WHEN ended_at IS NULL THEN last_arrival_at
        WHEN has_ended THEN ended_at
        ELSE ended_at + to_minutes($settle_minutes)
    END AS settled_at,
    first_arrival_at,
    last_arrival_at,
    channel,
    direction,
    service_id,
    tags,
    traffic,
    run_id,
    session_id,
    contradictions,
    m.completion_reason,
    m.final_state,
    m.duration_seconds,
    coalesce(m.quality_score, q.score) AS quality_score,
    m.escalated,
    event_count,
    coalesce(TRY_CAST(m.turns AS BIGINT), turn_count) AS turn_count,
    coalesce(TRY_CAST(m.agent_turns AS BIGINT), agent_turn_count) AS agent_turn_count,
    coalesce(TRY_CAST(m.user_turns AS BIGINT), user_turn_count) AS user_turn_count,
    coalesce(TRY_CAST(m.tool_calls AS BIGINT), tool_call_count) AS tool_call_count,
    coalesce(TRY_CAST(m.tool_failures AS BIGINT), tool_failure_count) AS tool_failure_count,
    coalesce(t.turns, []) AS turns,
    intelligence,
    content_hash
FROM facts
JOIN described USING (conversation_id)
JOIN merged AS m USING (conversation_id)
JOIN summaries USING (conversation_id)
LEFT JOIN quality AS q USING (conversation_id)
LEFT JOIN turns AS t USING (conversation_id);

DELETE FROM stale_conversations
WHERE workspace_id = $workspace_id
  AND conversation_id IN (SELECT conversation_id FROM stale_batches WHERE batch = $batch);
