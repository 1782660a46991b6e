-- Period rows of one definition version, or of each metric's current one, as known at an instant ('infinity': now).
CREATE OR REPLACE TEMP MACRO known_periods(workspace, version, known_at) AS TABLE
SELECT p.*
FROM metric_periods AS p
SEMI JOIN metric_definitions AS d
    ON d.workspace_id = p.workspace_id
    AND d.key = p.metric_key
    AND d.version = p.definition_version
    AND (
        d.version = version
        OR (version IS NULL AND d.valid_from <= known_at AND (d.valid_to IS NULL OR d.valid_to > known_at))
    )
WHERE p.workspace_id = workspace
    AND p.computed_at <= known_at
    AND (p.superseded_at IS NULL OR p.superseded_at > known_at);
