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

CREATE OR REPLACE TEMP TABLE slice AS
SELECT
    * EXCLUDE (batch),
    -- When a summary was written is not when the conversation was.
    if(event_type = 'call_intelligence.row', NULL, occurred_at) AS happened_at,
    row_number() OVER by_time AS place,
    count(*) FILTER (event_type LIKE '%.turn') OVER by_time - 1 AS turn
FROM (
    SELECT *, CAST(number_between(data -> '$.offset_ms', 0, 1e10) * 1000 AS BIGINT) AS offset_us
    FROM stale_events
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
