-- reads: events
-- leaves: nothing; answers with the tool calls of one conversation in order, each with its result. Without an id, the first
--   result of a name belongs to the first call of that name.
WITH said AS (
    SELECT
        event_type = 'tool.call' AS is_call,
        occurred_at,
        coalesce(data ->> '$.name', '') AS tool_name,
        data ->> '$.call_id' AS call_id,
        data -> '$.arguments' AS input,
        data ->> '$.result' AS output,
        CASE WHEN json_type(data, '$.error') NOT IN ('NULL', 'BOOLEAN') THEN data ->> '$.error' END AS error_message,
        TRY_CAST(data ->> '$.succeeded' AS BOOLEAN) AS succeeded,
        TRY_CAST(data ->> '$.duration_ms' AS DOUBLE) AS duration_ms,
        row_number() OVER (ORDER BY occurred_at NULLS LAST, sequence NULLS LAST, event_id) AS place
    FROM events
    WHERE workspace_id = $workspace_id AND conversation_id = $id AND event_type IN ('tool.call', 'tool.result')
),

paired AS (
    SELECT
        *,
        coalesce('id ' || call_id, concat_ws(' ', 'number', row_number() OVER (
            PARTITION BY is_call, tool_name, call_id IS NULL ORDER BY place
        ), tool_name)) AS call
    FROM said
)

SELECT
    min(place) AS place,
    arg_min(tool_name, place) AS tool_name,
    any_value(call_id) AS call_id,
    any_value(input) AS input,
    any_value(output) AS output,
    any_value(error_message) AS error_message,
    coalesce(bool_and(succeeded), CASE WHEN count(error_message) > 0 THEN false END) AS succeeded,
    min(occurred_at) AS started_at,
    coalesce(
        max(duration_ms) FILTER (duration_ms >= 0),
        date_diff('microsecond', min(occurred_at) FILTER (is_call), max(occurred_at) FILTER (NOT is_call)) / 1000
    ) AS duration_ms
FROM paired
GROUP BY call
ORDER BY place;
