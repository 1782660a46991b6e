-- reads: conversations, eligible, filtered; variables workspace_id, assembled_since
-- leaves: rows of gate_verdict: what a filter of the definition keeps out; `passes` is put in by the caller
INSERT INTO gate_verdict BY NAME
WITH asked AS (
    SELECT conversation_id, [/*passes*/]::BOOLEAN[] AS passes
    FROM conversations
    WHERE workspace_id = getvariable('workspace_id')
        AND last_arrival_at >= getvariable('assembled_since')
        AND conversation_id IN (SELECT conversation_id FROM eligible)
)

SELECT f.metric_key, a.conversation_id, 'not_applicable' AS state
FROM filtered AS f
CROSS JOIN asked AS a
WHERE NOT coalesce(a.passes[f.place], FALSE);
