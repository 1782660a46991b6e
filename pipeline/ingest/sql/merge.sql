-- Provided fields over derived ones, read as numbers: `merged`, from which hot columns, ratios and the score are made.
-- A part of another type is null.

CREATE OR REPLACE TEMP TABLE merged AS
WITH both_sides AS MATERIALIZED (
    SELECT
        conversation_id, derived, coalesce(provided, '{}') AS provided,
        json_extract(if(provided IS NULL, derived, json_merge_patch(derived, provided)), [
            '$.duration_seconds', '$.quality_score', '$.operator_summary.escalated', '$.emotion_summary',
            '$.completion_reason', '$.final_state',
            '$.conversation_summary.turn_count', '$.conversation_summary.agent_turn_count',
            '$.conversation_summary.user_turn_count',
            '$.conversation_summary.talk_seconds', '$.conversation_summary.overtalk_seconds',
            '$.conversation_summary.agent_talk_seconds', '$.conversation_summary.user_talk_seconds',
            '$.conversation_summary.barge_in_count', '$.conversation_summary.failed_barge_in_count',
            '$.conversation_summary.agent_interruption_count', '$.conversation_summary.repeated_agent_turn_count',
            '$.conversation_summary.loop_count', '$.conversation_summary.utterance_loop_count',
            '$.latency_summary.silence_seconds', '$.latency_summary.silence_ratio',
            '$.latency_summary.p95_audio_ttfb_ms', '$.latency_summary.p95_response_ms',
            '$.latency_summary.p95_engine_ms',
            '$.tool_summary.total_calls', '$.tool_summary.failed', '$.risk_summary.composite_score',
            '$.operator_summary.transfer_request_count', '$.operator_summary.transfer_success_count',
            '$.operator_summary.transfer_failure_count'
        ]) AS parts
    FROM facts LEFT JOIN provided USING (conversation_id)
),
read AS MATERIALIZED (
    SELECT *, list_transform(parts, lambda part: TRY_CAST(part::VARCHAR AS DOUBLE)) AS numbers
    FROM both_sides
)
SELECT
    conversation_id, derived, provided,
    numbers[1] AS duration_seconds, numbers[2] AS quality_score,
    CASE parts[3]::VARCHAR WHEN 'true' THEN true WHEN 'false' THEN false END AS escalated,
    coalesce(starts_with(parts[4]::VARCHAR, '{'), false) AS has_emotion,
    parts[5] ->> '$' AS completion_reason, parts[6] ->> '$' AS final_state,
    numbers[7] AS turns, numbers[8] AS agent_turns, numbers[9] AS user_turns,
    numbers[10] AS talk, numbers[11] AS overtalk, numbers[12] AS agent_talk, numbers[13] AS user_talk,
    numbers[14] AS barge_ins, numbers[15] AS failed_barge_ins, numbers[16] AS agent_interruptions,
    numbers[17] AS repetitions, greatest(numbers[18], numbers[19]) AS loops,
    coalesce(numbers[21], share(numbers[20], numbers[1])) AS silence_ratio,
    coalesce(numbers[22], numbers[23], numbers[24]) AS slow_ms,
    numbers[25] AS tool_calls, numbers[26] AS tool_failures, numbers[27] AS risk,
    numbers[28] AS requests, numbers[29] AS successes, numbers[30] AS failures
FROM read;
