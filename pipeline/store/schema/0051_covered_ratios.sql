-- Ratios whose earlier hours were made stale when they came into force, so that these are not looked for every hour.
CREATE TABLE covered_ratios (
    workspace_id VARCHAR NOT NULL,
    metric_key VARCHAR NOT NULL,
    definition_version VARCHAR NOT NULL,
    valid_from TIMESTAMPTZ NOT NULL
);
