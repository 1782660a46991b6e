-- What the events of each conversation say of it as a whole: `described`. What is said of it from outside counts where the
-- events of the conversation itself say nothing. `contradictions` names the facts about which those disagree.
CREATE OR REPLACE TEMP TABLE described AS
WITH told AS (
    SELECT
        conversation_id,
        min(ingested_at) AS first_event_at,
        max(ingested_at) AS last_event_at,
        first(service_id ORDER BY kind = 'about', place) FILTER (service_id IS NOT NULL) AS service_id,
        first(run_id ORDER BY kind = 'about', place) FILTER (run_id IS NOT NULL) AS run_id,
        first(session_id ORDER BY kind = 'about', place) FILTER (session_id IS NOT NULL) AS session_id,
        coalesce(max(traffic), 'production') AS traffic,  -- one event of a simulation makes it a simulation
        list_sort(list_distinct(flatten(list(tags) FILTER (tags IS NOT NULL)))) AS tags,
        nullif(list_filter([
            if(min(traffic) FILTER (kind <> 'about') <> max(traffic) FILTER (kind <> 'about'), 'traffic', NULL),
            if(min(service_id) FILTER (kind <> 'about') <> max(service_id) FILTER (kind <> 'about'), 'service_id', NULL),
            if(min(channel) FILTER (kind <> 'about') <> max(channel) FILTER (kind <> 'about'), 'channel', NULL),
            if(min(direction) FILTER (kind <> 'about') <> max(direction) FILTER (kind <> 'about'), 'direction', NULL),
            if(min(session_id) FILTER (kind <> 'about') <> max(session_id) FILTER (kind <> 'about'), 'session_id', NULL)
        ], lambda name: name IS NOT NULL), []) AS contradictions,
        sha256($derivation || chr(10) || array_to_string(list_transform(list_sort(list({
            'place': place,
            'hash': sha256(to_json(struct_pack(
                event_type, occurred_at, sequence, domain, origin, channel, direction, service_id,
                traffic := coalesce(traffic, 'production'), run_id, session_id, participant, tags, about, data
            ))::VARCHAR)
        })), lambda event: event.hash), '')) AS content_hash
    FROM slice
    GROUP BY conversation_id
)
SELECT
    told.* EXCLUDE (first_event_at, last_event_at),
    least(known_since, first_event_at) AS first_arrival_at,
    greatest(changed_at, last_event_at) AS last_arrival_at
FROM told JOIN stale_batches USING (conversation_id);
