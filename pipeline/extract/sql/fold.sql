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

-- Units that belong together become one: those of a participant, or those of the conversation.
CREATE OR REPLACE TEMP MACRO fold_units(units, by_participant) AS TABLE
WITH grouped AS (
    SELECT
        metric_key,
        conversation_id,
        participant,
        metric_type,
        scope,
        fold,
        range_min,
        range_max,
        min(position) AS position,
        max(list_position(
            ['missing', 'not_applicable', 'unknown_category', 'out_of_range', 'wrong_type', 'pending'], status
        )) FILTER (status <> 'ok') AS worst,
        bool_or(status = 'ok') AS any_ok,
        arg_min(
            {'number': value_number, 'truth': value_boolean, 'label': value_text, 'labels': value_list},
            CASE WHEN fold = 'first' THEN (position, place) ELSE (-position, -place) END
        ) FILTER (status = 'ok' AND fold IN ('first', 'last')) AS one,
        CASE fold
            WHEN 'avg' THEN avg(value_number)
            WHEN 'min' THEN min(value_number)
            WHEN 'max' THEN max(value_number)
            WHEN 'sum' THEN sum(value_number)
            WHEN 'median' THEN median(value_number) FILTER (fold = 'median')
            WHEN 'p95' THEN quantile_cont(value_number, 0.95) FILTER (fold = 'p95')
            WHEN 'p99' THEN quantile_cont(value_number, 0.99) FILTER (fold = 'p99')
            WHEN 'count' THEN count(*) FILTER (status <> 'missing')
        END AS number,
        CASE fold WHEN 'any' THEN bool_or(value_boolean) WHEN 'all' THEN bool_and(value_boolean) END AS truth,
        CASE fold
            WHEN 'list' THEN
                list_sort(list_distinct(flatten(
                    list(coalesce(value_list, [value_text])) FILTER (status = 'ok' AND metric_type = 'categorical')
                )))
        END AS labels
    FROM (SELECT * REPLACE (CASE WHEN by_participant THEN participant END AS participant) FROM query_table(units))
    GROUP BY metric_key, conversation_id, participant, metric_type, scope, fold, range_min, range_max
),

folded AS (
    SELECT
        * EXCLUDE (one) REPLACE (
            coalesce(number, one.number) AS number,
            coalesce(truth, one.truth) AS truth,
            coalesce(labels, one.labels) AS labels
        ),
        one.label AS label
    FROM grouped
)

SELECT
    metric_key, conversation_id, participant, metric_type, scope, fold, range_min, range_max, position, 1 AS place,
    CASE
        WHEN fold = 'count' AND worst = 6 THEN 'pending'
        WHEN NOT any_ok AND fold <> 'count' THEN
            ['missing', 'not_applicable', 'unknown_category', 'out_of_range', 'wrong_type', 'pending'][worst]
        WHEN number IS NULL AND truth IS NULL AND label IS NULL AND labels IS NULL THEN 'wrong_type'
        WHEN NOT isfinite(number) OR abs(number) > 1e100 OR number < range_min OR number > range_max
            THEN 'out_of_range'
        ELSE 'ok'
    END AS status,
    CASE WHEN status = 'ok' THEN number END AS value_number,
    CASE WHEN status = 'ok' THEN label END AS value_text,
    CASE WHEN status = 'ok' THEN truth END AS value_boolean,
    CASE WHEN status = 'ok' THEN labels END AS value_list
FROM folded;
