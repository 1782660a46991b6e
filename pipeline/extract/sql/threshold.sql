-- reads: threshold, definition, known, known_value, eligible
-- leaves: rows of reading: whether another metric's value meets a number, text or truth; the macro compare
CREATE OR REPLACE TEMP MACRO compare(operator, a, b) AS
    CASE operator
        WHEN '==' THEN a = b
        WHEN '!=' THEN a <> b
        WHEN '<' THEN a < b
        WHEN '<=' THEN a <= b
        WHEN '>' THEN a > b
        WHEN '>=' THEN a >= b
    END;

INSERT INTO reading BY NAME
WITH unit AS (
    SELECT
        t.*,
        k.entity_id AS conversation_id,
        k.value_number,
        (coalesce(k.segment_from, 0), coalesce(k.participant, '')) AS position,
        CASE
            WHEN t.number IS NOT NULL THEN compare(t.operator, k.value_number, t.number)
            WHEN t.text IS NOT NULL THEN compare(t.operator, k.value_text, t.text)
            ELSE compare(t.operator, k.value_boolean, t.truth)
        END AS holds
    FROM threshold AS t
    JOIN definition AS own ON own.metric_key = t.metric_key
    JOIN definition AS input ON input.metric_key = t.input_key
    JOIN known AS k ON k.metric_key = t.input_key
    WHERE k.status = 'ok'
        AND k.sample_index = 0
        AND (input.scope = 'conversation') = (k.participant IS NULL AND k.segment_from IS NULL)
        AND (own.participant_role IS NULL OR k.participant = own.participant_role)
),

folded AS (
    SELECT
        metric_key,
        conversation_id,
        CASE fold
            WHEN 'each' THEN bool_and(holds)
            WHEN 'count' THEN count(*) FILTER (holds) >= any_value(needed)
            WHEN 'first' THEN arg_min(holds, position)
            WHEN 'last' THEN arg_max(holds, position)
            ELSE coalesce(
                folded_truth(fold, holds),
                compare(any_value(operator), folded_number(fold, value_number), any_value(number))
            )
        END AS truth
    FROM unit
    GROUP BY metric_key, conversation_id, fold
)

SELECT
    t.metric_key,
    e.conversation_id,
    NULL::VARCHAR AS participant,
    NULL::BIGINT AS segment,
    0 AS position,
    CASE WHEN f.truth IS NOT NULL THEN to_json(f.truth) END AS value,
    FALSE AS present,
    CASE
        WHEN coalesce(k.unfinished, TRUE) THEN 'pending'
        WHEN f.truth IS NULL AND k.status = 'not_applicable' THEN 'not_applicable'
    END AS state
FROM threshold AS t
CROSS JOIN eligible AS e
LEFT JOIN folded AS f ON f.metric_key = t.metric_key AND f.conversation_id = e.conversation_id
LEFT JOIN known_value AS k ON k.metric_key = t.input_key AND k.conversation_id = e.conversation_id;
