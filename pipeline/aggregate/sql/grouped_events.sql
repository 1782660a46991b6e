-- reads: event_value, grouped, kept_groups; variables traffic, service_id, by_service, keep_all, rest
-- leaves: source_events: what the events that are asked for are worth, each in its groups
CREATE OR REPLACE TEMP VIEW source_events AS
WITH keyed AS (
    SELECT e.*, CASE WHEN getvariable('by_service') THEN e.service_id ELSE g.group_key END AS found_key
    FROM event_value AS e
    LEFT JOIN grouped AS g ON NOT getvariable('by_service') AND g.conversation_id = e.conversation_id
    WHERE (getvariable('traffic') = 'all' OR e.traffic = getvariable('traffic'))
        AND (getvariable('service_id') IS NULL OR e.service_id = getvariable('service_id'))
)
SELECT
    keyed.* EXCLUDE (found_key) REPLACE (NULL::VARCHAR AS service_id),
    CASE WHEN found_key IS NULL OR kept OR getvariable('keep_all') THEN found_key ELSE getvariable('rest') END AS group_key
FROM keyed
LEFT JOIN kept_groups ON kept_groups.group_key = found_key;
