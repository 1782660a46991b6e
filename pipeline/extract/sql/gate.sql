-- A gate that is not true, be it false or without an answer, keeps its conversation out.
INSERT INTO gate_verdict BY NAME
SELECT
    metric_key,
    conversation_id,
    CASE WHEN waiting THEN 'pending' ELSE 'not_applicable' END AS state
FROM formula_result
WHERE waiting OR value IS NULL OR (value ->> '$') <> 'true';
