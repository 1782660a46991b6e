-- The conversations of the window: ended in it; or arrived in it though they ended before it or have no instant.
CREATE OR REPLACE TEMP TABLE eligible AS
SELECT
    conversation_id,
    content_hash,
    started_at AS observed_at,
    ended_at,
    traffic,
    service_id,
    channel,
    direction,
    tags,
    coalesce(settled_at, last_arrival_at) > $as_of AS unsettled,
    md5_number_lower(conversation_id) / 18446744073709551616.0 AS draw  -- in [0, 1), the same for every metric
FROM conversations
WHERE workspace_id = $workspace_id
    AND (
        (ended_at >= $window_start AND ended_at < $window_end)
        OR (
            last_arrival_at >= $window_start
            AND last_arrival_at < $window_end
            AND (ended_at IS NULL OR ended_at < $window_start)
        )
    );
