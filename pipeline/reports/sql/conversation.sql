-- One conversation by its own id, else the newest of a session.
SELECT *
FROM conversations
WHERE workspace_id = $workspace_id AND (conversation_id = $id OR session_id = $id)
ORDER BY conversation_id = $id DESC, started_at DESC NULLS LAST
LIMIT 1;
