-- What a conversation is told once holds for all of its events: where one does not say it itself, its row gets it from the
-- conversation, and `inherited` names it. Only rows whose values change are written again, with the arrival they had; hours
-- that were aggregated with other values become stale.
CREATE OR REPLACE TEMP TABLE inheriting AS
WITH resolved AS (
    SELECT
        e.* EXCLUDE (batch),
        coalesce(own(e.inherited, 'channel', e.channel), f.channel) AS new_channel,
        coalesce(own(e.inherited, 'direction', e.direction), f.direction) AS new_direction,
        coalesce(own(e.inherited, 'service_id', e.service_id), d.service_id) AS new_service_id,
        coalesce(own_traffic(e.inherited, e.traffic), d.traffic) AS new_traffic,
        coalesce(own(e.inherited, 'session_id', e.session_id), d.session_id) AS new_session_id,
        coalesce(own(e.inherited, 'tags', e.tags), d.tags) AS new_tags,
        list_filter([
            if(own(e.inherited, 'channel', e.channel) IS NULL AND f.channel IS NOT NULL, 'channel', NULL),
            if(own(e.inherited, 'direction', e.direction) IS NULL AND f.direction IS NOT NULL, 'direction', NULL),
            if(own(e.inherited, 'service_id', e.service_id) IS NULL AND d.service_id IS NOT NULL, 'service_id', NULL),
            if(own_traffic(e.inherited, e.traffic) IS NULL, 'traffic', NULL),
            if(own(e.inherited, 'session_id', e.session_id) IS NULL AND d.session_id IS NOT NULL, 'session_id', NULL),
            if(own(e.inherited, 'tags', e.tags) IS NULL AND d.tags IS NOT NULL, 'tags', NULL)
        ], lambda name: name IS NOT NULL) AS new_inherited
    FROM stale_events AS e
    JOIN frame AS f USING (conversation_id)
    JOIN described AS d USING (conversation_id)
    WHERE e.batch = $batch
)
SELECT
    * EXCLUDE (new_channel, new_direction, new_service_id, new_traffic, new_session_id, new_tags, new_inherited)
    REPLACE (
        new_channel AS channel, new_direction AS direction, new_service_id AS service_id, new_traffic AS traffic,
        new_session_id AS session_id, new_tags AS tags, new_inherited AS inherited
    )
FROM resolved
WHERE row(channel, direction, service_id, traffic, session_id, tags)
    IS DISTINCT FROM row(new_channel, new_direction, new_service_id, new_traffic, new_session_id, new_tags);

SET VARIABLE inheriting_since = (SELECT min(ingested_at) FROM inheriting);

DELETE FROM events
WHERE workspace_id = $workspace_id
  AND ingested_at >= getvariable('inheriting_since')
  AND event_id IN (SELECT event_id FROM inheriting);

INSERT INTO events BY NAME
SELECT $workspace_id AS workspace_id, * FROM inheriting;

CREATE OR REPLACE TEMP TABLE changed_events AS
SELECT DISTINCT event_type, occurred_at FROM inheriting WHERE occurred_at IS NOT NULL;
