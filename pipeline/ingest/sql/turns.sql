-- The turns of each conversation in order, with the facts derived of each in its data: `turns`.

-- A fact that the source gives is not said again.
CREATE OR REPLACE TEMP MACRO fact(name, value, given) AS
    if(coalesce(given, 'NULL') = 'NULL', '"' || name || '":' || value, NULL);

CREATE OR REPLACE TEMP TABLE turns AS
WITH known AS (
    SELECT
        conversation_id, s.turn, event_type, participant, occurred_at, event_id, data,
        a.word_count, a.length_us, response_ms, user_response_ms, pause_before_ms,
        round(a.word_count * 6e7 / nullif(a.length_us, 0), 3) AS words_per_minute,
        if(form = 'spoken', coalesce(o.overlap_us, 0) / 1e3, NULL) AS overlap_ms,
        if(form = 'spoken' AND a.speaker IN ('agent', 'user'), coalesce(interrupts, false), NULL) AS interrupts,
        if(has_words, repeats_words OR repeats_utterance, NULL) AS repeats,
        json_type(data, [
            '$.word_count', '$.words_per_minute', '$.response_ms', '$.user_response_ms', '$.pause_before_ms',
            '$.overlap_ms', '$.interrupts', '$.repeats'
        ]) AS given
    FROM slice AS s
    LEFT JOIN answers AS a USING (conversation_id, place)
    LEFT JOIN turn_overlaps AS o USING (conversation_id, place)
    LEFT JOIN runs USING (conversation_id, place)
    LEFT JOIN agent_turns USING (conversation_id, place)
    WHERE event_type LIKE '%.turn'
),
added AS (
    SELECT
        *,
        concat_ws(
            ',',
            fact('word_count', word_count, given[1]), fact('words_per_minute', words_per_minute, given[2]),
            fact('response_ms', response_ms, given[3]), fact('user_response_ms', user_response_ms, given[4]),
            fact('pause_before_ms', pause_before_ms, given[5]), fact('overlap_ms', overlap_ms, given[6]),
            fact('interrupts', interrupts, given[7]), fact('repeats', repeats, given[8])
        ) AS facts
    FROM known
)
SELECT
    conversation_id,
    -- Sorted by the index, its first field, which is faster than ORDER BY inside the aggregate.
    list_sort(list({
        'index': turn,
        'role': left(event_type, -5),
        'participant': participant,
        'text': data ->> '$.text',
        'started_at': occurred_at,
        'ended_at': occurred_at + to_microseconds(length_us),
        'event_id': event_id,
        'data': if(facts = '', data, json_merge_patch(
            data, '{' || facts || ',"derived_fields":' || to_json(json_keys('{' || facts || '}')) || '}'
        ))
    })) AS turns
FROM added
GROUP BY conversation_id;
