-- A conversation whose facts have expired takes in nothing more: what is left of it could not be assembled again.
UPDATE staged
SET reason = 'expired', detail = 'the facts of its conversation have expired (retention); nothing of it is stored again'
WHERE reason IS NULL
  AND conversation_id IN (
      SELECT conversation_id FROM conversations WHERE workspace_id = $workspace_id AND expired_at IS NOT NULL
  );
