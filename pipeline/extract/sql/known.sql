-- What is stored and what the run has computed so far, for what reads other metrics: of the present content only.
CREATE OR REPLACE TEMP TABLE known AS
SELECT k.* EXCLUDE (content_hash)
FROM (
    SELECT
        metric_key, entity_id, participant, segment_from, sample_index,
        value_number, value_text, value_boolean, status, attempts, content_hash
    FROM fresh
    UNION ALL
    SELECT s.* EXCLUDE (definition_version, left_out)
    FROM stored AS s
    ANTI JOIN fresh AS f USING (metric_key, entity_id)
) AS k
SEMI JOIN eligible AS e ON e.conversation_id = k.entity_id AND e.content_hash = k.content_hash
WHERE list_contains(string_split($keys, ','), k.metric_key);

-- One row for each conversation and metric: its value as other metrics see it, and whether it may still change.
CREATE OR REPLACE TEMP TABLE known_value AS
SELECT
    metric_key, entity_id AS conversation_id, value_number, value_text, value_boolean, status,
    list_contains(getvariable('unfinished'), status)
        AND NOT (status = 'error' AND attempts >= getvariable('error_attempts')) AS unfinished
FROM known
WHERE participant IS NULL AND segment_from IS NULL AND sample_index = 0;
