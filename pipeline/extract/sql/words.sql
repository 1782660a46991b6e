-- A number for the words of each conversation: the same words have the same.
SELECT conversation_id, hash(list_transform(turns, lambda t: t.text)) AS words
FROM conversations
WHERE workspace_id = $workspace_id
    AND first_arrival_at >= $since
    AND conversation_id IN (SELECT unnest(from_json($conversation_ids, '["VARCHAR"]')))
