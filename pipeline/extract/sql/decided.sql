-- Rows for states that were decided without extracting. None replaces a stored value: the content was not looked at.
INSERT INTO fresh BY NAME
SELECT
    metric_key,
    definition_version,
    conversation_id AS entity_id,
    0 AS sample_index,
    observed_at,
    traffic,
    service_id,
    state AS status,
    content_hash,
    attempts
FROM work
WHERE list_contains(getvariable('batch'), metric_key)
    AND state IS NOT NULL
    AND NOT reused
    AND (
        stored_status IS NULL
        OR list_contains(getvariable('not_looked_at'), stored_status)
        OR (state IN ('pending', 'not_applicable') AND NOT (stored_status = 'error' AND attempts > 0))
    );
