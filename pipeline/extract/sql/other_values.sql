-- The values that other metrics have for some conversations as they now are.
SELECT v.entity_id, v.metric_key, v.value_number, v.value_text, v.value_boolean, v.value_list
FROM metric_values AS v
JOIN conversations AS c
    ON c.workspace_id = v.workspace_id AND c.conversation_id = v.entity_id AND c.content_hash = v.content_hash
WHERE v.workspace_id = $workspace_id
    AND v.first_arrival_at >= $since AND c.first_arrival_at >= $since
    AND v.entity_type = 'conversation'
    AND v.entity_id IN (SELECT unnest(from_json($conversation_ids, '["VARCHAR"]')))
    AND v.definition_version IN (SELECT unnest(from_json($versions, '["VARCHAR"]')))
    AND v.status = 'ok' AND v.participant IS NULL AND v.segment_from IS NULL AND v.sample_index = 0
