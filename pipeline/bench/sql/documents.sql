-- $conversations conversations with a summary of $fields numbers, half of them nested. One in fifty is in the last hour
-- before $end, the others in the year before it.
INSERT INTO conversations BY NAME
SELECT
    $workspace_id AS workspace_id,
    'c' || n AS conversation_id,
    $end::TIMESTAMPTZ - if(n % 50 = 0, to_seconds(60 + n % 3000), to_hours((25 + n % 8000)::INTEGER)) AS ended_at,
    ended_at - INTERVAL 1 MINUTE AS started_at,
    ended_at AS settled_at,
    ended_at AS first_arrival_at,
    ended_at AS last_arrival_at,
    'voice' AS channel, 'production' AS traffic,
    (hash(n, 'duration') % 600)::DOUBLE AS duration_seconds,
    (hash(n, 'quality') % 100)::DOUBLE AS quality_score,
    20 AS event_count, 18 AS turn_count, 9 AS agent_turn_count, 9 AS user_turn_count, 2 AS tool_call_count,
    0 AS tool_failure_count,
    [] AS turns,
    json(
        '{"summary":{'
        || array_to_string(list_transform(range(0, $fields // 2), lambda i: '"field_' || i || '":' || hash(n, i) % 1000), ',')
        || '},'
        || array_to_string(
            list_transform(range($fields // 2, $fields), lambda i: '"field_' || i || '":' || hash(n, i) % 1000), ','
        )
        || '}'
    ) AS intelligence,
    md5(n::VARCHAR) AS content_hash
FROM range($conversations) AS conversations(n);
