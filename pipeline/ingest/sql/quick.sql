-- The records of a piece (`incoming`) that are plainly good go to `staged`, after one parse and a few tests that are
-- stricter than they need be: nothing is refused here. What is left over is looked at closely by stage.sql.

INSERT INTO staged BY NAME
WITH parsed AS MATERIALIZED (
    SELECT
        position, file_id, source_key,
        unnest(from_json(record, '{
            "event_id": "JSON", "conversation_id": "JSON", "event_type": "JSON", "occurred_at": "JSON",
            "sequence": "JSON", "domain": "JSON", "origin": "JSON", "channel": "JSON", "direction": "JSON",
            "service_id": "JSON", "traffic": "JSON", "run_id": "JSON", "session_id": "JSON", "participant": "JSON",
            "tags": "JSON", "data": "JSON"
        }'))
    FROM incoming
    WHERE reason IS NULL
),
read AS MATERIALIZED (
    SELECT
        position, file_id, source_key,
        trim(event_id, '"') AS event_id,
        nullif(trim(conversation_id, '"'), '') AS conversation_id,
        trim(event_type, '"') AS event_type,
        TRY_CAST(trim(occurred_at, '"') AS TIMESTAMPTZ) AS occurred_at,
        TRY_CAST(sequence::VARCHAR AS BIGINT) AS sequence,
        nullif(trim(domain, '"'), '') AS domain,
        nullif(trim(origin, '"'), '') AS origin,
        channel_word(lower(nullif(trim(channel, '"'), ''))) AS channel,
        lower(nullif(trim(direction, '"'), '')) AS direction,
        nullif(trim(service_id, '"'), '') AS service_id,
        traffic_word(lower(nullif(trim(traffic, '"'), '')), lower(trim(direction, '"'))) AS traffic,
        nullif(trim(run_id, '"'), '') AS run_id,
        nullif(trim(session_id, '"'), '') AS session_id,
        nullif(trim(participant, '"'), '') AS participant,
        if(tags::VARCHAR = '[]', NULL, from_json(tags, '["VARCHAR"]')) AS tags,
        coalesce(data, '{}') AS data,
        strlen(event_id) BETWEEN 3 AND 130 AND strlen(event_type) BETWEEN 3 AND 130
        -- Texts without an escape, or whole numbers; no DEL, the one control character that JSON does not escape.
        AND regexp_full_match(
            concat(event_id, conversation_id, event_type, sequence, domain, origin, channel, direction, service_id,
                   traffic, run_id, session_id, participant), '(?:"[^"\\\x7f]*"|[0-9]{1,18})*'
        )
        AND greatest(strlen(conversation_id), strlen(domain), strlen(origin), strlen(channel), strlen(direction),
                     strlen(service_id), strlen(run_id), strlen(session_id), strlen(participant), 0) <= 130
        AND regexp_full_match(occurred_at::VARCHAR, '"' || $zoned_iso_pattern || '"')
        AND (sequence IS NULL OR left(sequence, 1) <> '"')
        AND (tags IS NULL OR regexp_full_match(tags::VARCHAR, '\[(?:"[^"\\]*",?)*\]'))
        AND (data IS NULL OR starts_with(data, '{')) AS is_plain
    FROM parsed
)
SELECT * EXCLUDE (is_plain)
FROM read
WHERE is_plain AND occurred_at BETWEEN $earliest AND $latest AND traffic IS NOT NULL;

CREATE OR REPLACE TEMP TABLE left_over AS
SELECT position, file_id, source_key, record
FROM incoming
WHERE reason IS NULL
  -- Earlier pieces are not looked at again.
  AND position NOT IN (SELECT position FROM staged WHERE position >= (SELECT min(position) FROM incoming));
