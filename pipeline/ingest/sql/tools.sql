-- What the agent's tools were asked for and how it went: `tool_calls`, one row for each call, and `tools`.

CREATE OR REPLACE TEMP TABLE tool_calls AS
WITH read AS (
    SELECT
        conversation_id, place, turn, event_type = 'tool.call' AS is_call, occurred_at,
        json_extract(data, ['$.name', '$.call_id', '$.succeeded', '$.error', '$.duration_ms']) AS fields,
        fields[1] ->> '$' AS name,
        fields[2] ->> '$' AS call_id,
        CASE
            WHEN fields[3]::VARCHAR = 'true' THEN true
            WHEN fields[3]::VARCHAR = 'false' THEN false
            WHEN NOT is_call AND fields[4]::VARCHAR NOT IN ('null', 'false', '""') THEN false
        END AS succeeded,
        number_between(fields[5], 0, 86400000) AS duration_ms
    FROM slice
    WHERE event_type IN ('tool.call', 'tool.result')
),
-- Without an id, the first result of a name belongs to the first call of that name.
paired AS (
    SELECT
        *,
        coalesce('id ' || call_id, concat_ws(' ', 'number', row_number() OVER (
            PARTITION BY conversation_id, is_call, name, call_id IS NULL ORDER BY place
        ), name)) AS call
    FROM read
),
calls AS (
    SELECT
        conversation_id,
        min(place) AS place,
        arg_min(turn, place) AS turn,
        arg_min(name, place) AS name,
        arg_max(occurred_at, place) AS called_at,
        bool_and(succeeded) AS succeeded,
        max(duration_ms) AS given_ms,
        epoch_us(max(occurred_at) FILTER (NOT is_call)) - epoch_us(min(occurred_at) FILTER (is_call)) AS between_us
    FROM paired
    GROUP BY conversation_id, call
)
SELECT
    * EXCLUDE (given_ms, between_us),
    coalesce(given_ms, if(between_us > 0, between_us / 1e3, NULL)) AS duration_ms
FROM calls;

CREATE OR REPLACE TEMP TABLE tools AS
WITH by_name AS (
    SELECT
        conversation_id, name,
        count(*) AS calls,
        if(count(succeeded) > 0, count(*) FILTER (succeeded), NULL) AS succeeded,
        if(count(succeeded) > 0, count(*) FILTER (NOT succeeded), NULL) AS failed,
        avg(duration_ms ORDER BY duration_ms) AS avg_duration_ms,
        max(duration_ms) AS max_duration_ms
    FROM tool_calls
    WHERE name IS NOT NULL
    GROUP BY conversation_id, name
),
listed AS (
    SELECT
        conversation_id,
        list({
            'name': name, 'calls': calls, 'succeeded': succeeded, 'failed': failed,
            'avg_duration_ms': avg_duration_ms, 'max_duration_ms': max_duration_ms
        } ORDER BY name) AS by_tool
    FROM by_name
    GROUP BY conversation_id
),
counted AS (
    SELECT
        conversation_id,
        count(*) AS total_calls,
        if(count(succeeded) > 0, count(*) FILTER (succeeded), NULL) AS succeeded,
        if(count(succeeded) > 0, count(*) FILTER (NOT succeeded), NULL) AS failed,
        avg(duration_ms ORDER BY duration_ms) AS avg_duration_ms,
        quantile_cont(duration_ms, 0.95) AS p95_duration_ms,
        max(duration_ms) AS max_duration_ms,
        list(name ORDER BY place) FILTER (name IS NOT NULL) AS sequence
    FROM tool_calls
    GROUP BY conversation_id
)
SELECT
    conversation_id, total_calls, failed,
    json_object(
        'total_calls', total_calls, 'succeeded', succeeded, 'failed', failed,
        'avg_duration_ms', avg_duration_ms, 'p95_duration_ms', p95_duration_ms, 'max_duration_ms', max_duration_ms,
        'by_tool', by_tool, 'sequence', sequence
    ) AS tool_summary
FROM counted LEFT JOIN listed USING (conversation_id);
