-- Conversations that no policy in effect for the metric lets in. Before a metric's first policy it runs on everything.
INSERT INTO gate_verdict BY NAME
WITH asked AS (
    SELECT conversation_id, coalesce(ended_at, last_arrival_at) AS ended_at, [/*passes*/]::BOOLEAN[] AS passes
    FROM conversations
    WHERE workspace_id = getvariable('workspace_id')
        AND conversation_id IN (SELECT conversation_id FROM eligible)
)

SELECT
    p.metric_key,
    a.conversation_id,
    'not_applicable' AS state,
    'left out by policy ' || string_agg(p.name, ', ' ORDER BY p.name) AS reason
FROM policed AS p
JOIN asked AS a ON a.ended_at >= p.active_from
GROUP BY p.metric_key, a.conversation_id
HAVING NOT bool_or(coalesce(a.passes[p.place], FALSE));
