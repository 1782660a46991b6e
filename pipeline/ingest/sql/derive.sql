-- What the events say about their conversation, in the shape of a call-intelligence summary: `facts`, one row for each.
-- A field without evidence is null and is left out. Every field is defined in definitions/call-intelligence.md.

CREATE OR REPLACE TEMP TABLE conversation_summary AS
SELECT
    conversation_id,
    json_object(
        'turn_count', coalesce(turn_count, 0), 'agent_turn_count', coalesce(agent_turn_count, 0),
        'user_turn_count', coalesce(user_turn_count, 0),
        'operator_turn_count', nullif(operator_turn_count, 0),
        'word_count', if(texts = turn_count, word_count, NULL),
        'agent_word_count', if(agent_texts = agent_turn_count, agent_word_count, NULL),
        'user_word_count', if(user_texts = user_turn_count, user_word_count, NULL),
        'agent_words_per_minute', agent_wpm, 'user_words_per_minute', user_wpm,
        'avg_agent_turn_seconds', if(agent_lengths = agent_turn_count, avg_agent_turn_seconds, NULL),
        'max_agent_turn_seconds', if(agent_lengths = agent_turn_count, max_agent_turn_seconds, NULL),
        'avg_user_turn_seconds', if(user_lengths = user_turn_count, avg_user_turn_seconds, NULL),
        'max_user_turn_seconds', if(user_lengths = user_turn_count, max_user_turn_seconds, NULL),
        'avg_stt_confidence', avg_stt_confidence,
        'talk_seconds', talk_seconds, 'agent_talk_seconds', agent_talk_seconds,
        'user_talk_seconds', user_talk_seconds, 'operator_talk_seconds', operator_talk_seconds,
        'overtalk_seconds', overtalk_seconds,
        'agent_run_count', agent_run_count, 'user_run_count', user_run_count,
        'barge_in_count', if(agent_flags > 0 OR form = 'spoken', coalesce(barge_ins, 0), NULL),
        'agent_interruption_count', if(user_flags > 0 OR form = 'spoken', coalesce(agent_interruptions, 0), NULL),
        'failed_barge_in_count', failed_barge_in_count,
        'barge_in_overlap_seconds', barge_in_overlap_seconds,
        'agent_interruption_overlap_seconds', agent_interruption_overlap_seconds,
        'avg_agent_stop_ms', avg_agent_stop_ms, 'max_agent_stop_ms', max_agent_stop_ms,
        'avg_user_stop_ms', avg_user_stop_ms, 'max_user_stop_ms', max_user_stop_ms,
        'avg_pre_interruption_seconds', avg_pre_interruption_seconds,
        'first_interruption_seconds', (first_interruption_us - start_us) / 1e6,
        'user_backchannel_count', user_backchannel_count, 'agent_backchannel_count', agent_backchannel_count,
        'states_visited_count', if(states > 0, visits, NULL), 'unique_states', nullif(states, 0),
        'state_revisit_count', if(states > 0, visits - states, NULL),
        'state_repeat_count', if(states > 0, state_repeats, NULL),
        'loop_count', if(states > 0, visits - states + state_repeats, NULL),
        'utterance_loop_count', if(worded > 0, utterance_loops, NULL),
        'repeated_agent_turn_count', if(worded > 0, repetitions, NULL)
    ) AS conversation_summary
FROM frame
LEFT JOIN dialogue USING (conversation_id)
LEFT JOIN talk USING (conversation_id)
LEFT JOIN turn_taking USING (conversation_id)
LEFT JOIN (
    SELECT
        conversation_id,
        count(*) FILTER (speaker = 'user') AS barge_ins,
        count(*) FILTER (speaker = 'agent') AS agent_interruptions
    FROM interruptions
    GROUP BY conversation_id
) USING (conversation_id);

CREATE OR REPLACE TEMP TABLE endings AS
WITH named AS (
    SELECT
        conversation_id, place,
        json_extract(data, ['$.completion_reason', '$.reason', '$.final_state']) AS fields,
        list_filter([fields[1], fields[2]], lambda reason: json_type(reason) = 'VARCHAR')[1] ->> '$' AS reason,
        if(json_type(fields[3]) = 'VARCHAR', fields[3] ->> '$', NULL) AS final_state
    FROM slice
    WHERE event_type = 'session.end'
)
SELECT
    conversation_id,
    last(reason ORDER BY place) FILTER (reason IS NOT NULL) AS reason,
    last(final_state ORDER BY place) FILTER (final_state IS NOT NULL) AS final_state
FROM named
GROUP BY conversation_id;

CREATE OR REPLACE TEMP TABLE facts AS
WITH joined AS (
    SELECT
        *,
        coalesce(has_escalation OR has_transfer, false) AS is_escalated
    FROM frame
    LEFT JOIN dialogue USING (conversation_id)
    LEFT JOIN conversation_summary USING (conversation_id)
    LEFT JOIN latency USING (conversation_id)
    LEFT JOIN emotion USING (conversation_id)
    LEFT JOIN risk USING (conversation_id)
    LEFT JOIN safety USING (conversation_id)
    LEFT JOIN tools USING (conversation_id)
    LEFT JOIN handover USING (conversation_id)
    LEFT JOIN usage USING (conversation_id)
    LEFT JOIN endings USING (conversation_id)
    LEFT JOIN moments USING (conversation_id)
)
SELECT
    conversation_id, started_at, ended_at, has_ended, event_count,
    coalesce(turn_count, 0) AS turn_count,
    coalesce(agent_turn_count, 0) AS agent_turn_count,
    coalesce(user_turn_count, 0) AS user_turn_count,
    coalesce(total_calls, 0) AS tool_call_count,
    coalesce(failed, 0) AS tool_failure_count,
    channel,
    direction,
    without_nulls(json_object(
        'duration_seconds', duration_seconds,
        'completion_reason', CASE
            WHEN reason IS NOT NULL THEN reason
            WHEN successes > 0 THEN if(has_operator, 'warm_transfer_completed', 'transferred')
            WHEN has_ended AND is_escalated THEN 'escalated'
            WHEN has_ended AND channel = 'voice' AND direction = 'inbound' AND agent_spoke AND NOT user_spoke
                THEN 'no_inbound_audio'
        END,
        'final_state', coalesce(final_state, last_state),
        'channel', first_channel,
        'direction', first_direction,
        'conversation_summary', if(has_events, conversation_summary, NULL),
        'latency_summary', if(has_events, latency_summary, NULL),
        'emotion_summary', known_of(emotion_summary),
        'risk_summary', risk_summary,
        'safety_summary', safety_summary,
        'tool_summary', coalesce(tool_summary, if(has_events, json_object(
            'total_calls', 0, 'succeeded', 0, 'failed', 0, 'by_tool', [], 'sequence', []
        ), NULL)),
        'operator_summary', known_of(json_object(
            -- While it goes on, nobody knows. Without the `false` a rate would have only the escalated in it.
            'escalated', if(is_escalated OR has_ended, is_escalated, NULL),
            'operator_active', if(is_escalated, coalesce(has_operator, operator_active), NULL),
            'operator_wait_seconds', operator_wait_seconds,
            'escalation_trigger', trigger,
            'escalation_reason', reason_of_handover,
            'transfer_request_count', if(has_transfer OR has_ended, coalesce(requests, 0), NULL),
            'transfer_success_count', if(has_transfer OR has_ended, coalesce(successes, 0), NULL),
            'transfer_failure_count', if(has_transfer OR has_ended, coalesce(failures, 0), NULL)
        )),
        'usage_summary', known_of(usage_summary),
        'key_moments', key_moments
    )) AS derived
FROM joined;
