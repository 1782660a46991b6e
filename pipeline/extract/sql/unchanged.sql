-- A slice that would say what it already says is not written again.
DELETE FROM fresh AS f
USING stored AS s
WHERE f.metric_key = s.metric_key
    AND f.definition_version = s.definition_version
    AND f.entity_id = s.entity_id
    AND f.content_hash = s.content_hash
    AND f.status = s.status
    AND list_contains(getvariable('not_looked_at'), f.status)
    AND s.participant IS NULL
    AND s.segment_from IS NULL
    AND s.sample_index = 0;
