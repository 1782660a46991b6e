-- What the store holds about the eligible conversations under the definitions of this run and what they read.
CREATE OR REPLACE TEMP TABLE stored AS
SELECT
    v.metric_key,
    v.definition_version,
    v.entity_id,
    v.participant,
    v.segment_from,
    v.sample_index,
    v.value_number,
    v.value_text,
    v.value_boolean,
    v.status,
    v.attempts,
    v.content_hash,
    v.status = 'not_applicable' AND coalesce(starts_with(v.error, 'left out by policy '), FALSE) AS left_out
FROM metric_values AS v
SEMI JOIN eligible AS e ON e.conversation_id = v.entity_id AND e.first_arrival_at = v.first_arrival_at
SEMI JOIN definition AS d ON d.metric_key = v.metric_key AND d.definition_version = v.definition_version
WHERE v.workspace_id = $workspace_id
    AND v.entity_type = 'conversation'
    AND v.first_arrival_at >= getvariable('arrived_since');
