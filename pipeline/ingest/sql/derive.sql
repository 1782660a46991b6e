-- What events say about their conversation when nobody has said it in a summary: `facts`, one row for each conversation.
-- `derived` has the shape of a call-intelligence summary; a field without evidence is null and is left out later.
CREATE OR REPLACE TEMP TABLE facts AS
WITH read AS (
    SELECT
        *,
        event_type LIKE '%.turn' AS is_turn,
        -- When a summary was written is not when the conversation was.
        if(event_type = 'call_intelligence.row', NULL, occurred_at) AS happened_at,
        coalesce(data ->> '$.call_id', event_id) AS call_id,
        CASE WHEN event_type IN ('tool.call', 'tool.result') THEN
            coalesce(
                TRY_CAST(data ->> '$.succeeded' AS BOOLEAN),
                if(event_type = 'tool.result' AND (data ->> '$.error') IS NOT NULL, false, NULL)
            )
        END AS succeeded
    FROM slice
),
counted AS (
    SELECT
        conversation_id,
        coalesce(min(happened_at), min(occurred_at)) AS started_at,
        coalesce(max(happened_at), max(occurred_at)) AS ended_at,
        count(*) AS event_count,
        count(*) FILTER (is_turn) AS turn_count,
        count(*) FILTER (event_type = 'agent.turn') AS agent_turn_count,
        count(*) FILTER (event_type = 'user.turn') AS user_turn_count,
        count(*) FILTER (event_type = 'tool.call') AS tool_call_count,
        count(DISTINCT call_id) FILTER (succeeded) AS tool_success_count,
        count(DISTINCT call_id) FILTER (NOT succeeded) AS tool_failure_count,
        bool_or(event_type = 'session.end') AS has_ended,
        bool_or(event_type = 'call.escalated' OR starts_with(event_type, 'escalation.')) AS escalated,
        last(data ->> '$.reason' ORDER BY place) FILTER (event_type = 'session.end') AS completion_reason,
        last(data ->> '$.final_state' ORDER BY place) FILTER (event_type = 'session.end') AS final_state,
        first(channel ORDER BY place) FILTER (channel IS NOT NULL) AS channel,
        first(direction ORDER BY place) FILTER (direction IS NOT NULL) AS direction
    FROM read
    GROUP BY conversation_id
)
SELECT
    *,
    json_object(
        'duration_seconds', if(turn_count > 0 OR started_at <> ended_at, epoch(ended_at - started_at), NULL),
        'completion_reason', completion_reason,
        'final_state', final_state,
        'channel', channel,
        'direction', direction,
        'conversation_summary', json_object(
            'turn_count', turn_count, 'agent_turn_count', agent_turn_count, 'user_turn_count', user_turn_count
        ),
        'tool_summary', json_object(
            'total_calls', tool_call_count, 'succeeded', tool_success_count, 'failed', tool_failure_count,
            'failure_rate', tool_failure_count / nullif(tool_call_count, 0)
        ),
        -- While it goes on, nobody knows. Without the `false` a rate would have only the escalated in it.
        'operator_summary', if(escalated OR has_ended, json_object('escalated', escalated), NULL)
    ) AS derived
FROM counted;
