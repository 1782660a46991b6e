-- The records of a chunk (`incoming`), most of which are plainly good: typed after one parse and a few tests that are
-- stricter than they need be. Nothing is refused here. What is `left_over` is looked at closely by stage.sql.

-- What DuckDB reads and strict JSON has not: a comma at the end, NaN and infinity, and numbers beyond a double. Each
-- pattern begins with a character that is searched for much faster than a choice of three.
CREATE OR REPLACE TEMP MACRO is_strict(record) AS
    NOT regexp_matches(record, ',\s*(?:[}\]]|-?(?:[nN][aA][nN]|[iI][nN][fF]|[0-9.]+[eE]\+?[0-9]{3}|[0-9]{200}))')
    AND NOT regexp_matches(record, ':\s*-?(?:[nN][aA][nN]|[iI][nN][fF]|[0-9.]+[eE]\+?[0-9]{3}|[0-9]{200})')
    AND NOT regexp_matches(record, '\[\s*-?(?:[nN][aA][nN]|[iI][nN][fF]|[0-9.]+[eE]\+?[0-9]{3}|[0-9]{200})');

INSERT INTO staged BY NAME
WITH parsed AS (
    SELECT
        position, file_id, source_key, is_strict(record) AS is_strict,
        unnest(TRY(from_json(record, '{
            "event_id": "VARCHAR", "conversation_id": "VARCHAR", "event_type": "VARCHAR", "occurred_at": "VARCHAR",
            "sequence": "VARCHAR", "domain": "VARCHAR", "origin": "VARCHAR", "channel": "VARCHAR",
            "direction": "VARCHAR", "service_id": "VARCHAR", "traffic": "VARCHAR", "run_id": "VARCHAR",
            "session_id": "VARCHAR", "participant": "VARCHAR", "tags": "JSON", "data": "JSON", "specversion": "JSON",
            "about": "VARCHAR", "supersedes": "VARCHAR", "revision": "VARCHAR"
        }')))
    FROM incoming
    WHERE reason IS NULL
),
read AS (
    SELECT
        position, file_id, source_key, event_id, event_type,
        nullif(conversation_id, '') AS conversation_id,
        TRY_CAST(occurred_at AS TIMESTAMPTZ) AS instant,
        TRY_CAST(sequence AS BIGINT) AS number,
        nullif(domain, '') AS domain,
        nullif(origin, '') AS origin,
        channel_word(lower(nullif(channel, ''))) AS channel,
        lower(nullif(direction, '')) AS direction,
        nullif(service_id, '') AS service_id,
        traffic_word(lower(nullif(traffic, '')), lower(direction)) AS traffic_class,
        nullif(run_id, '') AS run_id,
        nullif(session_id, '') AS session_id,
        nullif(participant, '') AS participant,
        if(tags::VARCHAR = '[]', NULL, from_json(tags, '["VARCHAR"]')) AS tags,
        coalesce(data, '{}') AS data,
        CASE about WHEN 'true' THEN true WHEN 'false' THEN false END AS is_about,
        nullif(supersedes, '') AS supersedes,
        TRY_CAST(revision AS BIGINT) AS revision_number,
        if(nullif(traffic, '') IS NULL AND traffic_class = 'production', ['traffic'], []::VARCHAR[]) AS inherited,
        is_strict AND specversion IS NULL AND event_id <> '' AND event_type <> '' AND traffic_class IS NOT NULL
        AND greatest(strlen(event_id), strlen(conversation_id), strlen(event_type), strlen(domain), strlen(origin),
                     strlen(channel), strlen(direction), strlen(service_id), strlen(run_id), strlen(session_id),
                     strlen(participant), strlen(supersedes)) <= 128
        -- No control character, and nothing that was, or looks like, anything but text or an integer of 64 bits.
        AND NOT regexp_matches(
            concat('"', concat_ws('"', event_id, conversation_id, event_type, sequence, domain, origin, channel,
                                  direction, service_id, traffic, run_id, session_id, participant, supersedes, revision), '"'),
            '[\x00-\x1f\x7f]|"(?:true"|false"|[{\[]|-?[0-9]+[.eE][0-9eE+-]*"|-[0-9]{19}|[0-9]{20})'
        )
        AND regexp_full_match(occurred_at, $zoned_iso_pattern) AND instant BETWEEN $earliest AND $latest
        AND (sequence IS NULL OR number IS NOT NULL)
        AND (revision IS NULL OR revision_number IS NOT NULL) AND (about IS NULL OR is_about IS NOT NULL)
        AND (tags IS NULL OR regexp_full_match(tags::VARCHAR, '\[(?:"[^"\\]*",?)*\]'))
        AND (data IS NULL OR starts_with(data, '{')) AS is_plain
    FROM parsed
)
SELECT
    * EXCLUDE (instant, number, traffic_class, is_about, revision_number, is_plain),
    instant AS occurred_at, number AS sequence, traffic_class AS traffic, is_about AS about, revision_number AS revision,
    if(is_plain, NULL, 'left_over') AS reason
FROM read;
