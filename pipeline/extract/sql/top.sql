-- The one value of each conversation. Nothing to fold is a count of 0.
INSERT INTO fresh BY NAME
SELECT
    t.metric_key,
    t.definition_version,
    t.conversation_id AS entity_id,
    0 AS sample_index,
    t.observed_at,
    t.first_arrival_at,
    t.traffic,
    t.service_id,
    CASE WHEN v.status IS NULL AND d.fold = 'count' THEN 0.0 ELSE v.value_number END AS value_number,
    v.value_text,
    v.value_boolean,
    v.value_list,
    CASE WHEN v.status IS NOT NULL THEN v.status WHEN d.fold = 'count' THEN 'ok' ELSE 'missing' END AS status,
    CASE WHEN status = 'ok' THEN 1.0 END AS confidence,
    0 AS attempts,
    t.content_hash
FROM todo AS t
JOIN definition AS d USING (metric_key)
LEFT JOIN fold_units('unit', FALSE) AS v USING (metric_key, conversation_id);
