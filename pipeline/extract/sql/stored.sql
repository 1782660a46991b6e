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
    v.content_hash
FROM metric_values AS v
SEMI JOIN eligible AS e ON e.conversation_id = v.entity_id
SEMI JOIN definition AS d ON d.metric_key = v.metric_key AND d.definition_version = v.definition_version
WHERE v.workspace_id = $workspace_id AND v.entity_type = 'conversation';

-- The same with what this run has computed so far, for modes that read other metrics: the present content only.
CREATE OR REPLACE TEMP VIEW known AS
SELECT k.* EXCLUDE (content_hash)
FROM (
    SELECT
        metric_key, entity_id, participant, segment_from, sample_index,
        value_number, value_text, value_boolean, status, attempts, content_hash
    FROM fresh
    UNION ALL
    SELECT s.* EXCLUDE (definition_version)
    FROM stored AS s
    ANTI JOIN fresh AS f USING (metric_key, entity_id)
) AS k
SEMI JOIN eligible AS e ON e.conversation_id = k.entity_id AND e.content_hash = k.content_hash;

-- One row for each conversation and metric: its value as other metrics see it, and whether it may still change.
CREATE OR REPLACE TEMP VIEW known_value AS
SELECT
    metric_key, entity_id AS conversation_id, value_number, value_text, value_boolean, status,
    list_contains(getvariable('unfinished'), status)
        AND NOT (status = 'error' AND attempts >= getvariable('error_attempts')) AS unfinished
FROM known
WHERE participant IS NULL AND segment_from IS NULL AND sample_index = 0;
