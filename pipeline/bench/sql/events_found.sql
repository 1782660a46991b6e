-- What any way of ingesting must have kept: how many events that are not refused, and which.
SELECT
    count(DISTINCT event_id)::BIGINT AS events,
    bit_xor(DISTINCT hash(event_id))::VARCHAR AS ids,
    count(DISTINCT event_id) FILTER (n < $share)::BIGINT AS first_events,
    bit_xor(DISTINCT hash(event_id)) FILTER (n < $share)::VARCHAR AS first_ids
FROM (SELECT event_id, (data ->> '$.n')::BIGINT AS n FROM events WHERE NOT starts_with(event_id, 'refused'))
WHERE n >= 0;
