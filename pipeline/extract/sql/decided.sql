-- Rows for states that were decided without extracting. None replaces a stored value: the content was not looked at.
-- What a policy leaves out (`reason`) takes the place of no value at all, not even of one of earlier content.
INSERT INTO fresh BY NAME
SELECT
    metric_key,
    definition_version,
    conversation_id AS entity_id,
    0 AS sample_index,
    observed_at,
    first_arrival_at,
    traffic,
    service_id,
    state AS status,
    reason AS error,
    content_hash,
    attempts
FROM work
WHERE metric_key IN (SELECT unnest(getvariable('batch')))
    AND state IS NOT NULL
    AND NOT reused
    AND (
        stored_status IS NULL
        OR list_contains(getvariable('not_looked_at'), stored_status)
        OR stored_left_out
        OR (state IN ('pending', 'not_applicable') AND reason IS NULL AND NOT (stored_status = 'error' AND attempts > 0))
    );
