-- reads: conversations
-- leaves: grouped (conversation_id, group_key): the groups that each conversation of the spans is in; kept_groups: those
--   that are shown, all others being the rest; variables traffic, service_id and by_service
SET VARIABLE traffic = $traffic;
SET VARIABLE service_id = $service_id;
SET VARIABLE by_service = $kind = 'service';
SET VARIABLE rest = $rest;
SET VARIABLE keep_all = $keep_all;

CREATE OR REPLACE TEMP TABLE within AS
SELECT
    conversation_id,
    CASE $kind
        WHEN 'channel' THEN [channel]
        WHEN 'direction' THEN [direction]
        WHEN 'tag' THEN tags
        WHEN 'tag_value' THEN list_transform(
            list_filter(tags, lambda tag: starts_with(tag, $field || ':')),
            lambda tag: substr(tag, length($field) + 2)
        )
        WHEN 'summary' THEN
            CASE WHEN json_type(intelligence, $field) NOT IN ('OBJECT', 'ARRAY', 'NULL')
                THEN [intelligence ->> $field]
            END
    END AS group_keys
FROM conversations
WHERE workspace_id = $workspace_id
    AND $kind NOT IN ('none', 'service')
    AND ($traffic = 'all' OR traffic = $traffic)
    AND started_at < $until
    AND (ended_at IS NULL OR ended_at >= $since);

CREATE OR REPLACE TEMP TABLE grouped AS
SELECT DISTINCT conversation_id, unnest(group_keys) AS group_key
FROM within;

CREATE OR REPLACE TEMP TABLE kept_groups AS
SELECT unnest(from_json($kept::VARCHAR, '["VARCHAR"]')) AS group_key, true AS kept;
