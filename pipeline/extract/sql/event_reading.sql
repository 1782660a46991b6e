-- reads: events, definition, reader
-- leaves: the view event_reading: what each path finds in an event; `found` and `passes` are put in by the caller
CREATE OR REPLACE TEMP VIEW event_reading AS
WITH hit AS (
    SELECT
        * EXCLUDE (data),
        /*found*/ AS found,
        /*passes*/ AS passes
    FROM events
    WHERE event_type IN (SELECT unnest(event_types) FROM definition SEMI JOIN reader USING (metric_key))
),

asked AS (
    SELECT r.*, d.domain, d.participant_role, d.channel_scope, d.product_types, unnest(d.event_types) AS event_type
    FROM reader AS r
    JOIN definition AS d USING (metric_key)
)

SELECT
    h.workspace_id,
    a.metric_key,
    h.event_id,
    h.event_type,
    h.conversation_id,
    h.occurred_at AS observed_at,
    h.ingested_at,
    h.sequence,
    h.traffic,
    h.service_id,
    h.participant,
    h.found[a.reading_index] AS value,
    a.reading_index IS NULL AS present,
    in_scope(a.channel_scope, a.product_types, h.channel, h.direction, h.tags) AS applies
FROM hit AS h
JOIN asked AS a USING (event_type)
WHERE (a.domain IS NULL OR h.domain = a.domain)
    AND (a.participant_role IS NULL OR h.participant = a.participant_role)
    AND (a.filter_index IS NULL OR coalesce(h.passes[a.filter_index], FALSE));
