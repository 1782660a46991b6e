-- reads: work
-- leaves: the conversations of one metric that are to be looked at, in the order of their places
SELECT conversation_id, content_hash, observed_at, first_arrival_at, traffic, service_id, attempts
FROM work
WHERE metric_key = $metric_key AND state IS NULL
ORDER BY place, conversation_id;
