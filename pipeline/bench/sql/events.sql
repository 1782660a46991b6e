-- Canonical records in `records`, $conversations of $length events each: a start, turns by agent and user, now and
-- then a tool with its result, an end. Ids are digests, as from sources that draw them at random.
CREATE OR REPLACE TEMP TABLE records AS
WITH places AS (
    SELECT
        c, i, c * $length + i AS position,
        $first::TIMESTAMP + to_microseconds(c * (1000000::BIGINT * $span_seconds // $conversations)) + to_seconds(i * 5) AS instant
    FROM range($conversations) AS conversations(c), range($length) AS events(i)
),
typed AS (
    SELECT
        *,
        CASE
            WHEN i = 0 THEN 'session.start'
            WHEN i = $length - 1 THEN 'session.end'
            WHEN i % 10 = 8 THEN 'tool.call'
            WHEN i % 10 = 9 THEN 'tool.result'
            WHEN i % 2 = 1 THEN 'agent.turn'
            ELSE 'user.turn'
        END AS event_type
    FROM places
)
SELECT
    position,
    md5($prefix || position) AS event_id,
    $prefix || c AS conversation_id,
    event_type,
    strftime(instant, '%Y-%m-%dT%H:%M:%S.%fZ') AS occurred_at,
    i AS sequence,
    if(hash(c) % 3 = 0, 'text', 'voice') AS channel,
    if(hash(c) % 2 = 0, 'inbound', 'outbound') AS direction,
    ['support', 'billing', 'sales', NULL][1 + (hash(c, 'service') % 4)::BIGINT] AS service_id,
    if(hash(c, 'traffic') % 20 = 0, 'simulation', 'production') AS traffic,
    'benchmark' AS origin,
    CASE
        WHEN event_type = 'session.start' THEN json_object('n', position)
        WHEN event_type = 'session.end' THEN json_object(
            'n', position, 'final_state', 'closed',
            'completion_reason', ['completed', 'abandoned', 'transferred'][1 + (hash(c, 'end') % 3)::BIGINT]
        )
        WHEN starts_with(event_type, 'tool.') THEN json_object(
            'n', position, 'name', ['lookup', 'book', 'pay'][1 + (hash(c, i // 10) % 3)::BIGINT],
            'call_id', 'call-' || (i // 10), 'arguments', json_object('query', a.text || ' ' || b.text),
            'succeeded', if(event_type = 'tool.result', hash(position) % 10 > 0, NULL),
            'duration_ms', 100 + (hash(position, 'ms') % 2000)::BIGINT
        )
        ELSE json_object(
            'n', position, 'text', a.text || ' ' || b.text,
            'duration_ms', 500 + (hash(position, 'd') % 9000)::BIGINT,
            'engine_ms', 200 + (hash(position, 'e') % 3000)::BIGINT,
            'audio_ttfb_ms', 50 + (hash(position, 'a') % 900)::BIGINT,
            'stt_confidence', round(0.5 + (hash(position, 'c') % 500)::DOUBLE / 1000, 3),
            'sentiment', round(((hash(position, 's') % 2001)::DOUBLE - 1000) / 1000, 3),
            'interrupted', hash(position, 'i') % 20 = 0,
            'language', 'en', 'intent', ['ask', 'tell', 'thank', 'leave'][1 + (hash(position, 'q') % 4)::BIGINT]
        )
    END AS data
FROM typed
JOIN pieces AS a ON a.piece = (hash(position, 1) % 4096)::BIGINT
JOIN pieces AS b ON b.piece = (hash(position, 2) % 4096)::BIGINT
ORDER BY position;
