-- The events of one batch. `place` orders those of a conversation; `turn` is the index of the event's turn, or of the
-- last turn before it.
CREATE OR REPLACE TEMP MACRO number_between(value, low, high) AS if(
    TRY_CAST(value::VARCHAR AS DOUBLE) BETWEEN low AND high, TRY_CAST(value::VARCHAR AS DOUBLE), NULL
);

CREATE OR REPLACE TEMP MACRO without_nulls(doc) AS json_merge_patch('{}', doc);  -- an empty target drops them

-- What is known of an object; null where that is nothing. In a list, so that it is computed and planned once.
CREATE OR REPLACE TEMP MACRO known_of(doc) AS
    list_filter([json_merge_patch('{}', doc)], lambda known: known::VARCHAR <> '{}')[1];

CREATE OR REPLACE TEMP MACRO share(part, whole) AS if(whole > 0 AND part BETWEEN 0 AND whole, part / whole, NULL);

CREATE OR REPLACE TEMP TABLE kinds AS
SELECT event_type, first(kind ORDER BY event_kind.place) AS kind
FROM (SELECT DISTINCT event_type FROM stale_events WHERE batch = $batch) JOIN event_kind ON event_type LIKE pattern
GROUP BY event_type;

-- What each event says itself; what it inherited is worked out anew in inherit.sql.
CREATE OR REPLACE TEMP TABLE slice AS
SELECT
    * EXCLUDE (batch, source_key, file_id, document, supersedes, revision, inherited),
    row_number() OVER by_time AS place,
    count(*) FILTER (event_type LIKE '%.turn') OVER by_time - 1 AS turn
FROM (
    SELECT
        * EXCLUDE (kind) REPLACE (
            own(inherited, 'channel', channel) AS channel, own(inherited, 'direction', direction) AS direction,
            own(inherited, 'service_id', service_id) AS service_id, own_traffic(inherited, traffic) AS traffic,
            own(inherited, 'session_id', session_id) AS session_id, own(inherited, 'tags', tags) AS tags
        ),
        CASE WHEN about THEN 'about' WHEN NOT about THEN 'part' ELSE kind END AS kind,
        CAST(number_between(data -> '$.offset_ms', 0, 1e10) * 1000 AS BIGINT) AS offset_us
    FROM stale_events JOIN kinds USING (event_type)
    WHERE batch = $batch
)
WINDOW by_time AS (
    PARTITION BY conversation_id
    ORDER BY occurred_at NULLS LAST, offset_us NULLS LAST, sequence NULLS LAST, event_id
    ROWS UNBOUNDED PRECEDING
);

-- The latest summary wins as a whole.
CREATE OR REPLACE TEMP TABLE provided AS
SELECT conversation_id, without_nulls(data) AS provided
FROM slice
WHERE event_type = 'call_intelligence.row'
QUALIFY row_number() OVER (PARTITION BY conversation_id ORDER BY occurred_at DESC NULLS LAST, event_id DESC) = 1;
