-- Records of conversations that were erased are refused, and nothing of what they say is kept; nor is it of records that
-- were refused beside them for other reasons, as those may be of the same conversation.
UPDATE staged
SET reason = 'erased', detail = 'its conversation was erased; nothing of it is stored again'
WHERE reason IS NULL
  AND conversation_id IS NOT NULL
  AND keyed_hash(conversation_id) IN (SELECT id_hash FROM tombstones WHERE workspace_id = $workspace_id);

CREATE OR REPLACE TEMP TABLE withheld AS
SELECT DISTINCT file_id FROM staged WHERE reason = 'erased';
