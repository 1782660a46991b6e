-- What makes samples of conversations stay the same, however often and in which order runs look. See ../description/.
CREATE TABLE sample_thresholds (
    workspace_id VARCHAR NOT NULL,
    metric_key VARCHAR NOT NULL,
    definition_version VARCHAR NOT NULL,
    traffic VARCHAR NOT NULL,
    hour TIMESTAMPTZ NOT NULL,
    threshold DOUBLE NOT NULL,
    seen_since TIMESTAMPTZ NOT NULL
);

CREATE TABLE partition_places (
    workspace_id VARCHAR NOT NULL,
    metric_key VARCHAR NOT NULL,
    definition_version VARCHAR NOT NULL,
    window_end TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL,
    places BIGINT NOT NULL
);

CREATE TABLE open_places (
    workspace_id VARCHAR NOT NULL,
    metric_key VARCHAR NOT NULL,
    definition_version VARCHAR NOT NULL,
    conversation_id VARCHAR NOT NULL,
    content_hash VARCHAR NOT NULL
);
