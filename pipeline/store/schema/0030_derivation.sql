-- Summaries say more than they did: the next run assembles every conversation anew from its events.
INSERT INTO stale_conversations BY NAME
SELECT DISTINCT workspace_id, conversation_id FROM conversations;
