-- The summary of each conversation, with what follows from the merged parts and the origin of each field: `summaries`.
-- Because ratios are made of merged parts, none contradicts a part that somebody provided.

CREATE OR REPLACE TEMP MACRO pointer(name) AS '/' || replace(replace(name, '~', '~0'), '/', '~1');

-- An object of one origin by its name, a mixed one field by field. `names` are the provided ones.
CREATE OR REPLACE TEMP MACRO origins(derived, provided, names, name) AS CASE
    WHEN NOT list_contains(names, name) THEN [to_json(name) || ':"derived"']
    WHEN json_type(provided, pointer(name)) <> 'OBJECT'
        OR list_has_all(json_keys(provided, pointer(name)), coalesce(json_keys(derived, pointer(name)), []))
        THEN [to_json(name) || ':"provided"']
    ELSE list_transform(
        list_distinct(list_concat(json_keys(provided, pointer(name)), json_keys(derived, pointer(name)))),
        lambda field: to_json(name || '.' || field)
            || if(list_contains(json_keys(provided, pointer(name)), field), ':"provided"', ':"derived"')
    )
END;

CREATE OR REPLACE TEMP TABLE calculated AS
SELECT
    conversation_id, provided,
    json_merge_patch(derived, without_nulls(json_object(
        'conversation_summary', known_of(json_object(
            'talk_to_listen_ratio', if(agent_talk >= 0 AND user_talk > 0, agent_talk / user_talk, NULL),
            'agent_talk_ratio', if(user_talk >= 0, share(agent_talk, agent_talk + user_talk), NULL),
            'overtalk_ratio', share(overtalk, talk),
            'interruption_count', TRY_CAST(barge_ins + agent_interruptions AS BIGINT),
            'failed_barge_in_ratio', share(failed_barge_ins, barge_ins),
            'repetition_ratio', share(repetitions, agent_turns)
        )),
        'latency_summary', known_of(json_object('silence_ratio', silence_ratio)),
        'emotion_summary', if(has_emotion, known_of(json_object('barge_in_count', TRY_CAST(barge_ins AS BIGINT))), NULL),
        'risk_summary', known_of(json_object('level', CASE
            WHEN risk < 0.25 THEN 'low' WHEN risk < 0.5 THEN 'medium' WHEN risk < 0.8 THEN 'high'
            WHEN risk IS NOT NULL THEN 'critical'
        END)),
        'tool_summary', known_of(json_object('failure_rate', share(tool_failures, tool_calls))),
        'operator_summary', known_of(json_object('transfer_outcome', CASE
            WHEN successes > 0 THEN 'completed' WHEN failures > 0 THEN 'failed' WHEN requests > 0 THEN 'requested'
            WHEN successes = 0 AND failures = 0 AND requests = 0 THEN 'not_applicable'
        END)),
        'quality_score', score,
        'quality_breakdown', if(score IS NULL, NULL, json_object('score', score, 'components', components))
    ))) AS derived
FROM merged LEFT JOIN quality USING (conversation_id);

CREATE OR REPLACE TEMP TABLE summaries AS
WITH named AS MATERIALIZED (
    SELECT
        *, json_keys(provided) AS provided_names, list_distinct(list_concat(json_keys(derived), provided_names)) AS names
    FROM calculated
)
SELECT
    conversation_id,
    json_merge_patch(derived, provided, '{"provenance":null}', '{"provenance":{' || array_to_string(list_concat(
        flatten(list_transform(names, lambda name: origins(derived, provided, provided_names, name))),
        list_transform(
            list_filter([
                'duration_seconds', 'quality_score', 'completion_reason', 'final_state', 'conversation_summary',
                'emotion_summary', 'latency_summary', 'risk_summary', 'safety_summary', 'tool_summary', 'operator_summary'
            ], lambda name: NOT list_contains(names, name)),
            lambda name: to_json(name) || ':"unknown"'
        )
    ), ',') || '}}') AS intelligence
FROM named;
