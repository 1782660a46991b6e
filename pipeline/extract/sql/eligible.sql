-- The conversations of the window: ended in it; or arrived in it though they ended before it or have no instant.
-- Two scans, since only a condition on one column spares DuckDB the rows of other times.
CREATE OR REPLACE TEMP TABLE eligible AS
WITH looked_at AS (
    FROM conversations
    WHERE workspace_id = $workspace_id AND ended_at >= $window_start AND ended_at < $window_end AND expired_at IS NULL
    UNION ALL
    FROM conversations
    WHERE workspace_id = $workspace_id
        AND last_arrival_at >= $window_start
        AND last_arrival_at < $window_end
        AND (ended_at IS NULL OR ended_at < $window_start)
        AND expired_at IS NULL
)

SELECT
    conversation_id,
    content_hash,
    started_at AS observed_at,
    ended_at,
    first_arrival_at,
    last_arrival_at,
    traffic,
    service_id,
    channel,
    direction,
    tags,
    coalesce(settled_at, last_arrival_at) > $as_of AS unsettled,
    draw_of(conversation_id) AS draw
FROM looked_at;

-- Nothing about them arrived earlier, and none of them was assembled earlier.
SET VARIABLE arrived_since = (SELECT min(first_arrival_at) FROM eligible);
SET VARIABLE assembled_since = (SELECT min(last_arrival_at) FROM eligible);
