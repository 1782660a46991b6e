-- reads: skipped, metric_values
-- leaves: rows of fresh for what was not looked at, where that is news; variable skipped_since
SET VARIABLE skipped_since = (SELECT min(first_arrival_at) FROM skipped);

INSERT INTO fresh BY NAME
SELECT s.*
FROM skipped AS s
ANTI JOIN (
    SELECT v.metric_key, v.definition_version, v.entity_id, v.status, v.content_hash
    FROM metric_values AS v
    SEMI JOIN skipped USING (metric_key, definition_version, entity_id, first_arrival_at)
    WHERE v.workspace_id = $workspace_id
        AND v.first_arrival_at >= getvariable('skipped_since')
        AND v.entity_type = 'conversation'
        AND v.participant IS NULL
        AND v.segment_from IS NULL
        AND v.sample_index = 0
) AS v
    ON v.metric_key = s.metric_key
    AND v.definition_version = s.definition_version
    AND v.entity_id = s.entity_id
    AND (
        NOT list_contains($not_looked_at, v.status)
        OR (v.status = s.status AND v.content_hash = s.content_hash)
    );
