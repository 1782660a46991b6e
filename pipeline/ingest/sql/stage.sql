-- A close look at the records that are `left_over`, the lines among them by now `parsed`: to typed columns, each with the
-- reason why it is refused, if it is.

CREATE OR REPLACE TEMP MACRO canonical_paths() AS [
    '$.event_id', '$.conversation_id', '$.event_type', '$.occurred_at', '$.sequence', '$.domain', '$.origin',
    '$.channel', '$.direction', '$.service_id', '$.traffic', '$.run_id', '$.session_id', '$.participant',
    '$.tags', '$.data', '$.about', '$.supersedes', '$.revision'
];

INSERT INTO staged BY NAME
WITH known AS (
    SELECT position, file_id, source_key, record, identity FROM left_over WHERE line IS NULL
    UNION ALL BY NAME
    SELECT position, file_id, parsed.source_key, coalesce(parsed.record, left_over.record) AS record, parsed.identity
    FROM left_over JOIN parsed USING (position)
    WHERE parsed.reason IS NULL
),
fields AS (
    SELECT
        position, file_id, source_key, coalesce(identity, record) AS identity,
        json_extract_string(record, canonical_paths()) AS f,
        json_type(record, canonical_paths()) AS types
    FROM known
),
read AS (
    SELECT
        * EXCLUDE (f, types),
        -- Without an id of its own a record is identified by everything it says.
        coalesce(nullif(f[1], ''), left(sha256(source_key || chr(10) || identity), 32)) AS event_id,
        nullif(f[2], '') AS conversation_id,
        nullif(f[3], '') AS event_type,
        types[4] AS instant_type,
        -- Other ways to write an instant (without seconds, with a small z) are brought into the usual one.
        CASE
            WHEN types[4] <> 'VARCHAR' THEN f[4]
            WHEN regexp_full_match(f[4], $iso_pattern) AND TRY_CAST(f[4] AS TIMESTAMPTZ) IS NOT NULL THEN f[4]
            ELSE instant_text(f[4])
        END AS instant,
        TRY_CAST(instant AS TIMESTAMPTZ) AS occurred_at,
        TRY_CAST(f[5] AS BIGINT) AS sequence,
        nullif(f[6], '') AS domain,
        nullif(f[7], '') AS origin,
        lower(nullif(f[8], '')) AS channel_given,
        lower(nullif(f[9], '')) AS direction,
        nullif(f[10], '') AS service_id,
        lower(nullif(f[11], '')) AS traffic_given,
        nullif(f[12], '') AS run_id,
        nullif(f[13], '') AS session_id,
        nullif(f[14], '') AS participant,
        -- A cell of a table holds lists and objects as JSON text, which reads the same here.
        CASE WHEN f[15] IS NULL THEN '[]'::JSON ELSE TRY_CAST(f[15] AS JSON) END AS tag_list,
        CASE WHEN f[16] IS NULL THEN '{}'::JSON ELSE TRY_CAST(f[16] AS JSON) END AS data,
        CASE f[17] WHEN 'true' THEN true WHEN 'false' THEN false END AS about,
        nullif(f[18], '') AS supersedes,
        TRY_CAST(f[19] AS BIGINT) AS revision,
        list_filter(canonical_paths(), lambda path, i:
            i NOT IN (4, 15, 16, 17) AND types[i] NOT IN ('NULL', 'VARCHAR', 'UBIGINT', 'BIGINT')
            OR i IN (5, 19) AND f[i] IS NOT NULL AND TRY_CAST(f[i] AS BIGINT) IS NULL
            OR i = 17 AND f[i] IS NOT NULL AND f[i] NOT IN ('true', 'false')
        ) AS wrong_type
    FROM fields
),
normal AS (
    SELECT
        *,
        channel_word(channel_given) AS channel,
        traffic_word(traffic_given, direction) AS traffic,
        if(traffic_given IS NULL AND traffic = 'production', ['traffic'], []::VARCHAR[]) AS inherited,
        list_filter([
            if(length(event_id) > 256, 'event_id', NULL), if(length(event_type) > 128, 'event_type', NULL),
            if(length(conversation_id) > 128, 'conversation_id', NULL), if(length(domain) > 128, 'domain', NULL),
            if(length(origin) > 256, 'origin', NULL), if(length(channel_given) > 128, 'channel', NULL),
            if(length(direction) > 128, 'direction', NULL), if(length(service_id) > 128, 'service_id', NULL),
            if(length(run_id) > 128, 'run_id', NULL), if(length(session_id) > 128, 'session_id', NULL),
            if(length(participant) > 128, 'participant', NULL), if(length(supersedes) > 256, 'supersedes', NULL)
        ], lambda name: name IS NOT NULL) AS too_long
    FROM read
)
SELECT * EXCLUDE (time_reason, other_reason)
FROM (
    SELECT
        position, file_id, source_key,
        event_id, conversation_id, event_type, occurred_at, sequence, domain, origin, channel, direction, service_id,
        traffic, run_id, session_id, participant,
        if(json_array_length(tag_list) = 0, NULL, TRY_CAST(tag_list AS VARCHAR[])) AS tags,
        data, about, supersedes, revision, inherited,
        CASE
            WHEN event_type IS NULL THEN 'missing_event_type'
            WHEN len(wrong_type) > 0 THEN 'wrong_type'
            WHEN instant_type IS NULL THEN 'missing_time'
            WHEN instant_type = 'NULL' THEN NULL
            WHEN instant_type <> 'VARCHAR' OR NOT regexp_full_match(instant, $iso_pattern) OR occurred_at IS NULL
                THEN 'bad_time'
            WHEN NOT regexp_matches(instant, $zone_pattern) THEN 'naive_time'
            WHEN occurred_at NOT BETWEEN $earliest AND $latest THEN 'time_out_of_range'
        END AS time_reason,
        CASE
            WHEN json_type(data) IS DISTINCT FROM 'OBJECT' THEN 'wrong_type'
            WHEN TRY_CAST(tag_list AS VARCHAR[]) IS NULL THEN 'wrong_type'
            WHEN traffic IS NULL THEN 'unknown_traffic'
            WHEN len(too_long) > 0 THEN 'too_long'
            WHEN regexp_matches(
                concat_ws('', event_id, event_type, conversation_id, domain, origin, channel, direction, service_id,
                          run_id, session_id, participant, supersedes), '[\x00-\x1f\x7f]'
            ) THEN 'control_character'
        END AS other_reason,
        coalesce(time_reason, other_reason) AS reason,
        CASE reason
            WHEN 'missing_event_type' THEN 'no event_type; write for example "agent.turn"'
            WHEN 'missing_time' THEN 'no occurred_at; write an instant, or null when it is unknown'
            WHEN 'bad_time' THEN 'occurred_at is ' || left(instant, 80) || '; write ISO 8601 with an offset'
            WHEN 'naive_time' THEN 'occurred_at is ' || instant || ' without a zone; write an offset such as Z'
            WHEN 'time_out_of_range' THEN
                'occurred_at is ' || instant || ', outside ' || $earliest::VARCHAR || ' to ' || $latest::VARCHAR
            WHEN 'unknown_traffic' THEN 'traffic is ' || left(traffic_given, 80) || '; write production or simulation'
            WHEN 'too_long' THEN array_to_string(too_long, ', ') || ' too long; event_id and origin 256, others 128 characters'
            WHEN 'control_character' THEN 'an id or name holds a control character'
            WHEN 'wrong_type' THEN CASE
                WHEN len(wrong_type) > 0 THEN array_to_string(wrong_type, ', ') || ' must be text or an integer'
                WHEN json_type(data) IS DISTINCT FROM 'OBJECT' THEN 'data must be an object'
                ELSE 'tags must be a list of strings'
            END
        END AS detail
    FROM normal
);

INSERT INTO staged BY NAME
SELECT position, file_id, parsed.source_key, parsed.reason, parsed.detail
FROM left_over JOIN parsed USING (position)
WHERE parsed.reason IS NOT NULL;
