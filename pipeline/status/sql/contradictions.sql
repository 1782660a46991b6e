-- Facts about which the events of one conversation disagree, with the number of conversations.
SELECT fact, count(*) AS conversations
FROM (
    SELECT unnest(contradictions) AS fact
    FROM conversations
    WHERE workspace_id = $workspace_id AND contradictions IS NOT NULL
)
GROUP BY fact
ORDER BY fact
