-- From readings to values: what the modes read of the present batch; position orders the readings of a conversation,
-- state is there where the mode itself knows it.
CREATE OR REPLACE TEMP TABLE reading (
    metric_key VARCHAR,
    conversation_id VARCHAR,
    participant VARCHAR,
    segment BIGINT,
    position BIGINT,
    value JSON,
    present BOOLEAN,
    state VARCHAR
);

-- The elements of a list are readings of their own where the definition folds them.
CREATE OR REPLACE TEMP VIEW element AS
WITH listed AS (
    SELECT
        r.*,
        CASE
            WHEN r.state IS NOT NULL THEN [NULL]
            WHEN d.elements AND json_type(r.value) = 'ARRAY' THEN json_extract(r.value, '$[*]')
            ELSE [r.value]
        END AS elements
    FROM reading AS r
    JOIN definition AS d USING (metric_key)
)

SELECT
    * EXCLUDE (elements) REPLACE (unnest(elements) AS value, present AND state IS NULL AS present),
    generate_subscripts(elements, 1) AS place
FROM listed;
