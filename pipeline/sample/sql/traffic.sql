-- reads: conversations
-- leaves: a row for each channel and class of traffic: how many, how long, how they went
SELECT
    coalesce(channel, 'unknown') AS channel,
    traffic,
    count(*) AS conversations,
    count(*) FILTER (settled_at IS NULL OR settled_at > $until) AS unsettled,
    sum(turn_count)::BIGINT AS turns,
    sum(tool_failure_count)::BIGINT AS tool_failures,
    count(*) FILTER (escalated) AS escalated,
    median(duration_seconds) AS median_seconds
FROM conversations
WHERE workspace_id = $workspace_id
GROUP BY ALL
ORDER BY traffic, conversations DESC, channel
