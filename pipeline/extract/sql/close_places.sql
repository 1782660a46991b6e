-- reads: closed
-- leaves: open_places without what was looked at or is no longer due
DELETE FROM open_places AS p
USING closed AS c
WHERE p.workspace_id = $workspace_id
    AND p.metric_key = c.metric_key
    AND p.definition_version = c.definition_version
    AND p.conversation_id = c.conversation_id;
