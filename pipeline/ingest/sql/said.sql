-- Who spoke when: `said`, a row for each turn and each stretch of speech, and `frame`, a row for each conversation with its
-- bounds and its clock. `at_us` and `until_us` count on that clock: instants, or else offsets from the start. `form` is
-- `spoken` where all times of speech are known, `written` where turns are moments, and null where neither is so.

CREATE OR REPLACE TEMP TABLE said_events AS
WITH read AS (
    SELECT
        conversation_id, place, turn, event_type LIKE '%.turn' AS is_turn,
        if(is_turn, left(event_type, -5), left(event_type, -7)) AS role,
        epoch_us(occurred_at) AS instant_us, offset_us,
        data ->> '$.text' AS text,
        json_extract(data, [
            '$.duration_ms', '$.interrupted', '$.state', '$.audio_ttfb_ms', '$.engine_ms', '$.nav_ms', '$.render_ms',
            '$.stt_confidence', '$.sentiment', '$.sentiment_label', '$.emotion_label', '$.emotion_valence',
            '$.emotion_arousal', '$.response_ms', '$.user_response_ms'
        ]) AS fields
    FROM slice
    WHERE event_type LIKE '%.turn' OR event_type LIKE '%.speech'
)
SELECT
    * EXCLUDE (fields, text),
    CASE WHEN role IN ('agent', 'user', 'operator') THEN role ELSE 'other' END AS speaker,
    -- Spaces between words, each of which has a letter or a digit: what lies between them is rarely more than one space,
    -- and a regular expression costs by the match.
    if(is_turn, len(string_split(regexp_replace(
        ' ' || text || ' ', '[\s\p{Z}](?:[^\p{L}\p{N}\s\p{Z}]*[\s\p{Z}])+|[^\S ]|[^\P{Z} ]', ' ', 'g'
    ), ' ')) - 2, NULL) AS word_count,
    -- To tell repetitions by: case, punctuation and spacing aside.
    if(is_turn AND speaker = 'agent', nullif(regexp_replace(
        lower(' ' || text || ' '), '[^\p{L}\p{N}]{2,}|[^\p{L}\p{N} ]', ' ', 'g'
    ), ' '), NULL) AS words,
    CAST(number_between(fields[1], 0, 86400000) * 1000 AS BIGINT) AS length_us,
    CASE fields[2]::VARCHAR WHEN 'true' THEN true WHEN 'false' THEN false END AS interrupted,
    if(json_type(fields[3]) = 'VARCHAR', fields[3] ->> '$', NULL) AS state,
    if(speaker = 'agent', number_between(fields[4], 0, 86400000), NULL) AS audio_ttfb_ms,
    if(speaker = 'agent', number_between(fields[5], 0, 86400000), NULL) AS engine_ms,
    if(speaker = 'agent', number_between(fields[6], 0, 86400000), NULL) AS nav_ms,
    if(speaker = 'agent', number_between(fields[7], 0, 86400000), NULL) AS render_ms,
    number_between(fields[8], 0, 1) AS stt_confidence,
    coalesce(
        number_between(fields[9], -1, 1),
        CASE lower(fields[10] ->> '$')
            WHEN 'positive' THEN 1 WHEN 'neutral' THEN 0 WHEN 'mixed' THEN 0 WHEN 'negative' THEN -1
        END
    ) AS sentiment,
    if(json_type(fields[11]) = 'VARCHAR', fields[11] ->> '$', NULL) AS emotion,
    number_between(fields[12], -1, 1) AS valence,
    number_between(fields[13], 0, 1) AS arousal,
    number_between(fields[14], 0, 86400000) AS given_response_ms,
    number_between(fields[15], 0, 86400000) AS given_user_response_ms
FROM read
WHERE role <> 'system';

CREATE OR REPLACE TEMP TABLE frame AS
WITH seen AS (
    SELECT
        conversation_id,
        -- Who speaks is heard, also after an end was announced.
        max(occurred_at) FILTER (kind = 'part' AND is_said) AS last_said,
        max(occurred_at) FILTER (event_type = 'session.end') AS announced_end,
        min(occurred_at) FILTER (kind = 'part') AS first_part,
        max(occurred_at) FILTER (kind = 'part') AS last_part,
        min(occurred_at) FILTER (kind = 'beside') AS first_beside,
        max(occurred_at) FILTER (kind = 'beside') AS last_beside,
        min(occurred_at) AS first_any,
        max(occurred_at) AS last_any,
        max(offset_us) FILTER (kind <> 'about') AS last_offset_us,
        count(*) AS event_count,
        bool_or(kind <> 'about') AS has_events,
        bool_or(event_type = 'session.end') AS has_ended,
        min(epoch_us(occurred_at)) FILTER (event_type = 'session.start') AS session_instant_us,
        min(offset_us) FILTER (event_type = 'session.start') AS session_offset_us,
        first(channel ORDER BY kind = 'about', place) FILTER (channel IS NOT NULL) AS channel,
        first(direction ORDER BY kind = 'about', place) FILTER (direction IS NOT NULL) AS direction
    FROM (
        SELECT *, (event_type LIKE '%.turn' OR event_type LIKE '%.speech') AS is_said FROM slice
    )
    GROUP BY conversation_id
),
bounds AS (
    SELECT
        * EXCLUDE (last_said, announced_end, first_part, last_part, first_beside, last_beside, first_any, last_any),
        coalesce(if(last_said IS NULL, least(first_part, first_beside), first_part), first_beside, first_any) AS started_at,
        coalesce(
            greatest(announced_end, last_said, if(announced_end IS NULL, last_part, NULL),
                     if(announced_end IS NULL AND last_said IS NULL, last_beside, NULL)),
            last_any
        ) AS ended_without_words
    FROM seen
),
speech AS (
    SELECT
        conversation_id,
        count(instant_us) AS dated_count,
        bool_and(instant_us IS NOT NULL) AS has_instants,
        bool_and(offset_us IS NOT NULL) AS has_offsets,
        count(length_us) AS length_count,
        count(*) AS said_count,
        max(make_timestamptz(instant_us + length_us)) AS last_word_at,
        max(offset_us + coalesce(length_us, 0)) AS last_word_us
    FROM said_events
    GROUP BY conversation_id
),
clocks AS (
    SELECT
        * EXCLUDE (channel, direction),
        coalesce(lower(provided ->> '$.channel'), channel) AS channel,
        coalesce(lower(provided ->> '$.direction'), direction) AS direction,
        channel AS first_channel,
        direction AS first_direction,
        CASE WHEN has_instants THEN 'instants' WHEN has_offsets THEN 'offsets' END AS clock,
        greatest(started_at, ended_without_words, last_word_at) AS ended_at
    FROM bounds LEFT JOIN speech USING (conversation_id) LEFT JOIN provided USING (conversation_id)
)
SELECT
    conversation_id, event_count, has_events, has_ended, channel, direction, first_channel, first_direction, started_at, ended_at, clock,
    CASE
        WHEN clock IS NULL THEN NULL
        WHEN length_count = said_count THEN 'spoken'
        WHEN length_count = 0 AND channel IS DISTINCT FROM 'voice' THEN 'written'
    END AS form,
    if(clock = 'offsets', 0, epoch_us(started_at)) AS start_us,
    if(clock = 'offsets', greatest(last_offset_us, last_word_us), epoch_us(ended_at)) AS end_us,
    if(clock = 'offsets', session_offset_us, session_instant_us) AS session_us,
    CASE
        WHEN clock = 'offsets' THEN greatest(last_offset_us, last_word_us) / 1e6
        WHEN dated_count > 0 OR started_at <> ended_at THEN epoch(ended_at - started_at)
    END AS duration_seconds
FROM clocks;

CREATE OR REPLACE TEMP TABLE said AS
SELECT
    s.*,
    form,
    CASE clock WHEN 'instants' THEN instant_us WHEN 'offsets' THEN offset_us END AS at_us,
    at_us + coalesce(length_us, 0) AS until_us
FROM said_events AS s JOIN frame USING (conversation_id);
