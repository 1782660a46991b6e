-- Canonical records as text (`incoming`) to typed columns (`staged`), each with the reason why it is refused, if it is.

CREATE OR REPLACE TEMP MACRO text_of(value) AS CASE json_type(value)
    WHEN 'VARCHAR' THEN nullif(value ->> '$', '')
    WHEN 'UBIGINT' THEN value ->> '$'
    WHEN 'BIGINT' THEN value ->> '$'
END;

CREATE OR REPLACE TEMP MACRO is_scalar(value) AS
    value IS NULL OR json_type(value) IN ('NULL', 'VARCHAR', 'UBIGINT', 'BIGINT');

CREATE OR REPLACE TEMP TABLE staged AS
WITH fields AS (
    SELECT
        position, file_id, source_key, place, record,
        json_extract(record, [
            '$.event_id', '$.conversation_id', '$.event_type', '$.occurred_at', '$.sequence', '$.domain', '$.origin',
            '$.channel', '$.direction', '$.service_id', '$.traffic', '$.run_id', '$.session_id', '$.participant',
            '$.tags', '$.data'
        ]) AS f
    FROM incoming
    WHERE reason IS NULL
),
read AS (
    SELECT
        * EXCLUDE (f),
        -- Without an id of its own a record is identified by everything it says.
        coalesce(text_of(f[1]), left(sha256(source_key || chr(10) || record), 32)) AS event_id,
        text_of(f[2]) AS conversation_id,
        text_of(f[3]) AS event_type,
        f[4] AS instant,
        text_of(f[4]) AS instant_text,
        TRY_CAST(text_of(f[4]) AS TIMESTAMPTZ) AS occurred_at,
        TRY_CAST(text_of(f[5]) AS BIGINT) AS sequence,
        text_of(f[6]) AS domain,
        text_of(f[7]) AS origin,
        lower(text_of(f[8])) AS channel_given,
        lower(text_of(f[9])) AS direction,
        text_of(f[10]) AS service_id,
        lower(text_of(f[11])) AS traffic_given,
        text_of(f[12]) AS run_id,
        text_of(f[13]) AS session_id,
        text_of(f[14]) AS participant,
        -- A cell of a table holds lists and objects as JSON text.
        CASE WHEN json_type(f[15]) = 'VARCHAR' THEN coalesce(TRY_CAST(f[15] ->> '$' AS JSON), f[15]) ELSE f[15] END AS tags_json,
        CASE WHEN json_type(f[16]) = 'VARCHAR' THEN coalesce(TRY_CAST(f[16] ->> '$' AS JSON), f[16]) ELSE f[16] END AS data_json,
        list_filter(
            ['event_id', 'conversation_id', 'event_type', '', 'sequence', 'domain', 'origin', 'channel', 'direction',
             'service_id', 'traffic', 'run_id', 'session_id', 'participant'],
            lambda name, i: name <> '' AND NOT is_scalar(f[i])
        ) AS not_scalar,
        json_type(f[5]) NOT IN ('NULL', 'UBIGINT', 'BIGINT') AND TRY_CAST(text_of(f[5]) AS BIGINT) IS NULL AS bad_sequence
    FROM fields
),
normal AS (
    SELECT
        *,
        CASE
            WHEN channel_given IN ('phone', 'call', 'telephony', 'pstn', 'sip', 'webrtc') THEN 'voice'
            WHEN channel_given IN ('chat', 'webchat', 'sms', 'whatsapp', 'messaging') THEN 'text'
            WHEN channel_given = 'form' THEN 'surface'
            ELSE channel_given
        END AS channel,
        CASE
            WHEN traffic_given IN ('production', 'real', 'live') THEN 'production'
            WHEN traffic_given IN ('simulation', 'simulated', 'playground', 'test') THEN 'simulation'
            WHEN traffic_given IS NULL THEN
                if(direction IN ('playground', 'simulated', 'test'), 'simulation', 'production')
        END AS traffic,
        coalesce(nullif(data_json, 'null'::JSON), '{}'::JSON) AS data,
        coalesce(nullif(tags_json, 'null'::JSON), '[]'::JSON) AS tag_list
    FROM read
)
SELECT
    position, file_id, source_key, place, record,
    event_id, conversation_id, event_type, occurred_at, sequence, domain, origin, channel, direction, service_id,
    traffic, run_id, session_id, participant,
    if(json_array_length(tag_list) = 0, NULL, TRY_CAST(tag_list AS VARCHAR[])) AS tags,
    data,
    CASE
        WHEN event_type IS NULL THEN 'missing_event_type'
        WHEN len(not_scalar) > 0 OR bad_sequence THEN 'wrong_type'
        WHEN instant IS NULL THEN 'missing_time'
        WHEN json_type(instant) = 'NULL' THEN NULL
        WHEN json_type(instant) <> 'VARCHAR' THEN 'bad_time'
        WHEN NOT regexp_full_match(instant_text, $iso_pattern) THEN 'bad_time'
        WHEN occurred_at IS NULL THEN 'bad_time'
        WHEN NOT regexp_matches(instant_text, $zone_pattern) THEN 'naive_time'
        WHEN occurred_at NOT BETWEEN $earliest AND $latest THEN 'time_out_of_range'
    END AS time_reason,
    CASE
        WHEN event_type IS NULL OR len(not_scalar) > 0 OR bad_sequence OR time_reason IS NOT NULL THEN NULL
        WHEN json_type(data) <> 'OBJECT' THEN 'wrong_type'
        WHEN json_type(tag_list) <> 'ARRAY' THEN 'wrong_type'
        WHEN TRY_CAST(tag_list AS VARCHAR[]) IS NULL THEN 'wrong_type'
        WHEN traffic IS NULL THEN 'unknown_traffic'
        WHEN greatest(
            length(event_id) - 256, length(event_type) - 128, length(conversation_id) - 128, length(domain) - 128,
            length(origin) - 256, length(channel) - 64, length(direction) - 64, length(service_id) - 128,
            length(run_id) - 128, length(session_id) - 128, length(participant) - 128
        ) > 0 THEN 'too_long'
        WHEN regexp_matches(
            concat_ws('', event_id, event_type, conversation_id, domain, origin, channel, direction, service_id,
                      run_id, session_id, participant), '[\x00-\x1f\x7f]'
        ) THEN 'control_character'
    END AS other_reason,
    coalesce(time_reason, other_reason) AS reason,
    CASE reason
        WHEN 'missing_event_type' THEN 'no event_type; write for example "agent.turn"'
        WHEN 'missing_time' THEN 'no occurred_at; write an instant, or null when it is unknown'
        WHEN 'bad_time' THEN 'occurred_at is ' || left(instant::VARCHAR, 80) || '; write ISO 8601 with an offset'
        WHEN 'naive_time' THEN 'occurred_at is ' || instant_text || ' without a zone; write an offset such as Z'
        WHEN 'time_out_of_range' THEN
            'occurred_at is ' || instant_text || ', outside ' || $earliest::VARCHAR || ' to ' || $latest::VARCHAR
        WHEN 'unknown_traffic' THEN 'traffic is ' || left(traffic_given, 80) || '; write production or simulation'
        WHEN 'too_long' THEN 'an id or name is longer than its limit (event_id and origin 256, others 128, channel 64)'
        WHEN 'control_character' THEN 'an id or name holds a control character'
        WHEN 'wrong_type' THEN CASE
            WHEN len(not_scalar) > 0 THEN array_to_string(not_scalar, ', ') || ' must be text or an integer'
            WHEN bad_sequence THEN 'sequence must be an integer'
            WHEN json_type(data) <> 'OBJECT' THEN 'data must be an object, found ' || json_type(data)
            ELSE 'tags must be a list of strings'
        END
    END AS detail
FROM normal
