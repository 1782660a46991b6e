-- reads: conversations; macro call_status
-- leaves: nothing; answers with calls under the contract's words for their end, newest first, and `total` without the limit
WITH named AS (
    SELECT *, call_status(completion_reason) AS status
    FROM conversations
    WHERE workspace_id = $workspace_id
)

SELECT * EXCLUDE (turns, intelligence), count(*) OVER () AS total
FROM named
WHERE ($with_simulated OR traffic = 'production')
    AND ($service_id::VARCHAR IS NULL OR service_id = $service_id)
    AND ($direction::VARCHAR IS NULL OR direction = $direction)
    AND ($status::VARCHAR IS NULL OR status = $status)
    AND ($min_duration::DOUBLE IS NULL OR duration_seconds >= $min_duration)
    AND ($max_duration::DOUBLE IS NULL OR duration_seconds <= $max_duration)
    AND ($since::TIMESTAMPTZ IS NULL OR started_at >= $since::TIMESTAMPTZ)
    AND ($until::TIMESTAMPTZ IS NULL OR started_at < $until::TIMESTAMPTZ)
ORDER BY started_at DESC NULLS LAST, conversation_id
LIMIT $limit OFFSET $offset;
