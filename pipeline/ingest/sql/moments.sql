-- What a reader of the conversation would want to be shown: `moments`, one list for each conversation that has some.
CREATE OR REPLACE TEMP TABLE moments AS
WITH found AS (
    SELECT
        conversation_id, place, turn, at_us, 'latency_spike' AS type, if(latency_ms >= 10000, 'error', 'warning') AS severity,
        format('The agent took {:.1f} s.', latency_ms / 1e3) AS description
    FROM spikes
    UNION ALL BY NAME
    SELECT
        conversation_id, place, turn - is_turn::INT AS turn, at_us - CAST(pause_before_ms * 1000 AS BIGINT) AS at_us,
        'silence' AS type, if(pause_before_ms >= 15000, 'error', 'warning') AS severity,
        format('Nobody spoke for {:.1f} s.', pause_before_ms / 1e3) AS description
    FROM answers
    WHERE pause_before_ms >= 5000
    UNION ALL BY NAME
    SELECT conversation_id, place, turn, at_us, 'barge_in' AS type, 'info' AS severity, 'The user cut in.' AS description
    FROM interruptions
    WHERE speaker = 'user'
    UNION ALL BY NAME
    SELECT
        conversation_id, place, turn, at_us, 'loop' AS type, 'warning' AS severity,
        if(repeats_utterance, 'The agent said the same again.', 'The agent stayed in its state.') AS description
    FROM agent_turns
    WHERE repeats_state OR repeats_utterance
    UNION ALL BY NAME
    SELECT
        conversation_id, place, turn, epoch_us(called_at) AS instant_us, 'tool_failure' AS type, 'error' AS severity,
        format('The tool {} failed.', coalesce(left(name, 100), '')) AS description
    FROM tool_calls
    WHERE NOT succeeded
    UNION ALL BY NAME
    SELECT
        conversation_id, place, turn, epoch_us(occurred_at) AS instant_us, 'escalation' AS type, 'warning' AS severity,
        'A person was asked to take over.' AS description
    FROM slice
    WHERE event_type = 'call.escalated' OR starts_with(event_type, 'escalation.')
    UNION ALL BY NAME
    SELECT
        conversation_id, place, turn, epoch_us(occurred_at) AS instant_us, 'safety_flag' AS type,
        if(lower(data ->> '$.severity') IN ('high', 'critical'), 'error', 'warning') AS severity,
        format('The safety rule {} matched.', coalesce(left(data ->> '$.name', 100), '')) AS description
    FROM slice
    WHERE event_type = 'safety.flag'
    UNION ALL BY NAME
    SELECT
        conversation_id, place, turn, instant_us, if(score < 0.5, 'elevated_risk', 'high_risk') AS type,
        if(score < 0.5, 'warning', 'error') AS severity, format('The risk score is {:.2f}.', score) AS description
    FROM risk
    WHERE score >= 0.25
),
placed AS (
    SELECT
        *, (coalesce(at_us, if(clock IS DISTINCT FROM 'offsets', instant_us, NULL)) - start_us) / 1e6 AS at_seconds
    FROM found JOIN frame USING (conversation_id)
)
SELECT
    conversation_id,
    list({
        'type': type, 'severity': severity, 'turn': if(turn >= 0, turn, NULL), 'at_seconds': at_seconds, 'description': description
    } ORDER BY at_seconds, place, type)[:100] AS key_moments
FROM placed
GROUP BY conversation_id;
