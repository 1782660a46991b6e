-- $rows earlier events of the 360 days before $first, twenty to a conversation. Their data is short: what an event says
-- is not read again unless its id comes back.
INSERT INTO events BY NAME
SELECT
    $workspace_id AS workspace_id,
    md5('earlier ' || n) AS event_id,
    'earlier ' || (n // 20) AS conversation_id,
    if(n % 2 = 0, 'agent.turn', 'user.turn') AS event_type,
    $first::TIMESTAMPTZ - INTERVAL 360 DAY + to_seconds(n * 31104000 // $rows) AS occurred_at,
    n % 20 AS sequence,
    occurred_at AS ingested_at,
    'benchmark' AS origin, 'voice' AS channel, 'production' AS traffic,
    json_object('n', -1, 'text', md5('text ' || n)) AS data,
    'canonical' AS source_key,
    'earlier' AS file_id
FROM range($rows) AS earlier(n)
ORDER BY n;
