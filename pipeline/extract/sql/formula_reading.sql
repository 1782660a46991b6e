-- reads: formula_result
-- leaves: rows of reading: one for each formula and conversation
INSERT INTO reading BY NAME
SELECT
    metric_key,
    conversation_id,
    NULL::VARCHAR AS participant,
    NULL::BIGINT AS segment,
    0 AS position,
    value,
    FALSE AS present,
    CASE WHEN waiting THEN 'pending' WHEN value IS NULL AND inapplicable THEN 'not_applicable' END AS state
FROM formula_result;
