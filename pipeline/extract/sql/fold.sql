-- From readings to values. A mode leaves the relation `reading`: metric_key, conversation_id, participant, segment,
-- position (orders the readings of a conversation), value (JSON), present, and state where the mode itself knows it.
-- Written here: a row for each turn or participant where the definition asks for them, then the conversation's one value.
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

CREATE OR REPLACE TEMP TABLE unit AS
SELECT
    metric_key, conversation_id, participant, segment, position, place, metric_type, scope, fold, range_min, range_max,
    value_number, value_text, value_boolean, value_list,
    coalesce(state, status) AS status
FROM typed('element');

CREATE OR REPLACE TEMP MACRO fold_units(units) AS TABLE
WITH grouped AS (
    SELECT
        metric_key,
        conversation_id,
        participant,
        any_value(metric_type) AS metric_type,
        any_value(scope) AS scope,
        any_value(fold) AS fold,
        any_value(range_min) AS range_min,
        any_value(range_max) AS range_max,
        min(position) AS position,
        count(*) FILTER (status <> 'missing') AS found,
        max(list_position(
            ['missing', 'not_applicable', 'unknown_category', 'out_of_range', 'wrong_type', 'pending'], status
        )) FILTER (status <> 'ok') AS worst,
        bool_or(status = 'ok') AS any_ok,
        CASE any_value(fold)
            WHEN 'first' THEN arg_min(value_number, (position, place)) FILTER (status = 'ok')
            WHEN 'last' THEN arg_max(value_number, (position, place)) FILTER (status = 'ok')
            WHEN 'avg' THEN avg(value_number)
            WHEN 'min' THEN min(value_number)
            WHEN 'max' THEN max(value_number)
            WHEN 'sum' THEN sum(value_number)
            WHEN 'median' THEN median(value_number) FILTER (fold = 'median')
            WHEN 'p95' THEN quantile_cont(value_number, 0.95) FILTER (fold = 'p95')
            WHEN 'p99' THEN quantile_cont(value_number, 0.99) FILTER (fold = 'p99')
            WHEN 'count' THEN count(*) FILTER (status <> 'missing')
        END AS number,
        CASE any_value(fold)
            WHEN 'first' THEN arg_min(value_boolean, (position, place)) FILTER (status = 'ok')
            WHEN 'last' THEN arg_max(value_boolean, (position, place)) FILTER (status = 'ok')
            WHEN 'any' THEN bool_or(value_boolean)
            WHEN 'all' THEN bool_and(value_boolean)
        END AS truth,
        CASE any_value(fold)
            WHEN 'first' THEN arg_min(value_text, (position, place)) FILTER (status = 'ok')
            WHEN 'last' THEN arg_max(value_text, (position, place)) FILTER (status = 'ok')
        END AS label,
        CASE any_value(fold)
            WHEN 'first' THEN arg_min(value_list, (position, place)) FILTER (status = 'ok')
            WHEN 'last' THEN arg_max(value_list, (position, place)) FILTER (status = 'ok')
            WHEN 'list' THEN
                list_sort(list_distinct(flatten(
                    list(coalesce(value_list, [value_text])) FILTER (status = 'ok' AND metric_type = 'categorical')
                )))
        END AS labels
    FROM query_table(units)
    GROUP BY ALL
)

SELECT
    metric_key, conversation_id, participant, metric_type, scope, fold, range_min, range_max, position, 1 AS place,
    CASE WHEN state = 'ok' THEN number END AS value_number,
    CASE WHEN state = 'ok' THEN label END AS value_text,
    CASE WHEN state = 'ok' THEN truth END AS value_boolean,
    CASE WHEN state = 'ok' THEN labels END AS value_list,
    state AS status
FROM (
    SELECT
        *,
        CASE
            WHEN fold = 'count' AND worst = 6 THEN 'pending'
            WHEN NOT any_ok AND fold <> 'count' THEN
                ['missing', 'not_applicable', 'unknown_category', 'out_of_range', 'wrong_type', 'pending'][worst]
            WHEN number IS NULL AND truth IS NULL AND label IS NULL AND labels IS NULL THEN 'wrong_type'
            WHEN NOT isfinite(number) OR abs(number) > 1e100 OR number < range_min OR number > range_max
                THEN 'out_of_range'
            ELSE 'ok'
        END AS state
    FROM grouped
);

CREATE OR REPLACE TEMP TABLE below AS
SELECT * FROM unit WHERE scope = 'turn'
UNION ALL BY NAME
SELECT * FROM fold_units('unit') WHERE scope = 'participant';

CREATE OR REPLACE TEMP VIEW top_unit AS
SELECT * REPLACE (NULL AS participant)
FROM (
    SELECT * EXCLUDE (segment) FROM unit WHERE scope = 'conversation'
    UNION ALL BY NAME
    SELECT * EXCLUDE (segment) FROM below
);

CREATE OR REPLACE TEMP TABLE top AS
SELECT * FROM fold_units('top_unit');

INSERT INTO fresh BY NAME
SELECT
    t.metric_key,
    t.definition_version,
    t.conversation_id AS entity_id,
    b.participant,
    b.segment AS segment_from,
    b.segment AS segment_to,
    0 AS sample_index,
    t.observed_at,
    t.traffic,
    t.service_id,
    b.value_number,
    b.value_text,
    b.value_boolean,
    b.value_list,
    b.status,
    CASE WHEN b.status = 'ok' THEN 1.0 END AS confidence,
    0 AS attempts,
    t.content_hash
FROM todo AS t
JOIN below AS b USING (metric_key, conversation_id);

INSERT INTO fresh BY NAME
SELECT
    t.metric_key,
    t.definition_version,
    t.conversation_id AS entity_id,
    0 AS sample_index,
    t.observed_at,
    t.traffic,
    t.service_id,
    CASE WHEN v.status IS NULL AND d.fold = 'count' THEN 0.0 ELSE v.value_number END AS value_number,
    v.value_text,
    v.value_boolean,
    v.value_list,
    CASE WHEN v.status IS NOT NULL THEN v.status WHEN d.fold = 'count' THEN 'ok' ELSE 'missing' END AS status,
    CASE WHEN status = 'ok' THEN 1.0 END AS confidence,
    0 AS attempts,
    t.content_hash
FROM todo AS t
JOIN definition AS d USING (metric_key)
LEFT JOIN top AS v USING (metric_key, conversation_id);
