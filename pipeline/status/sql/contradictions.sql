SELECT unnest(contradictions) AS fact, count(*) AS conversations
FROM conversations
WHERE workspace_id = $workspace_id AND contradictions IS NOT NULL
GROUP BY fact
ORDER BY fact
