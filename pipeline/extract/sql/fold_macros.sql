-- The one place that says what the folds of numbers and truths are; a fold counts and reads what is `ok`.
CREATE OR REPLACE TEMP MACRO folded_number(fold, number) AS
    CASE fold
        WHEN 'avg' THEN avg(number)
        WHEN 'min' THEN min(number)
        WHEN 'max' THEN max(number)
        WHEN 'sum' THEN sum(number)
        WHEN 'count' THEN count(number)
        WHEN 'median' THEN median(number) FILTER (fold = 'median')
        WHEN 'p95' THEN quantile_cont(number, 0.95) FILTER (fold = 'p95')
        WHEN 'p99' THEN quantile_cont(number, 0.99) FILTER (fold = 'p99')
    END;

CREATE OR REPLACE TEMP MACRO folded_truth(fold, truth) AS
    CASE fold WHEN 'any' THEN bool_or(truth) WHEN 'all' THEN bool_and(truth) END;

-- Why there is no value where no reading is `ok`: of the states of the readings, the last in this order. It is that of
-- `store.states.BY_WEIGHT`.
CREATE OR REPLACE TEMP MACRO weight(state) AS
    list_position(
        [
            'missing', 'not_applicable', 'abstained', 'unknown_category', 'out_of_range', 'wrong_type', 'parse_error',
            'error', 'not_sampled', 'over_cap', 'over_budget', 'no_model', 'pending'
        ],
        state
    );

-- A number with the digits that a double cannot hold, and the whole number to compare it by.
CREATE OR REPLACE TEMP MACRO big_digits(number, digits) AS
    CASE WHEN abs(number) >= 9007199254740992 THEN {'number': number, 'digits': digits} END;

CREATE OR REPLACE TEMP MACRO big_integer(number, digits) AS
    CASE WHEN abs(number) >= 9007199254740992 THEN (number, coalesce(try_cast(digits AS HUGEINT), try_cast(number AS HUGEINT))) END;

-- Units that belong together become one: those of a participant, or those of the conversation. The range of the
-- definition was held against each reading and is not held against a sum or a count of them.
CREATE OR REPLACE TEMP MACRO fold_units(units, by_participant) AS TABLE
WITH grouped AS (
    SELECT
        metric_key,
        conversation_id,
        participant,
        metric_type,
        scope,
        fold,
        min(position) AS position,
        arg_max(status, weight(status)) FILTER (status <> 'ok') AS worst,
        bool_or(status = 'ok') AS any_ok,
        arg_min(
            {'number': value_number, 'truth': value_boolean, 'label': value_text, 'labels': value_list},
            CASE WHEN fold = 'first' THEN (position, place) ELSE (-position, -place) END
        ) FILTER (status = 'ok' AND fold IN ('first', 'last')) AS one,
        -- Where participants were counted, the conversation has the sum of their counts.
        CASE
            WHEN fold = 'count' AND scope = 'participant' AND NOT by_participant THEN sum(value_number)
            ELSE folded_number(fold, value_number)
        END AS number,
        folded_truth(fold, value_boolean) AS truth,
        CASE
            WHEN fold = 'min' THEN min_by(big_digits(value_number, value_text), big_integer(value_number, value_text))
            WHEN fold = 'max' THEN max_by(big_digits(value_number, value_text), big_integer(value_number, value_text))
        END AS extreme,
        CASE fold
            WHEN 'list' THEN
                list_sort(list_distinct(flatten(
                    list(coalesce(value_list, [value_text])) FILTER (status = 'ok' AND metric_type = 'categorical')
                )))
        END AS labels
    FROM (SELECT * REPLACE (CASE WHEN by_participant THEN participant END AS participant) FROM query_table(units))
    GROUP BY metric_key, conversation_id, participant, metric_type, scope, fold
),

folded AS (
    SELECT
        * EXCLUDE (one) REPLACE (
            coalesce(number, one.number) AS number,
            coalesce(truth, one.truth) AS truth,
            coalesce(labels, one.labels) AS labels
        ),
        CASE WHEN extreme.number = number THEN extreme.digits ELSE one.label END AS label
    FROM grouped
)

SELECT
    metric_key, conversation_id, participant, metric_type, scope, fold, position, 1 AS place,
    CASE
        WHEN worst = 'pending' OR NOT any_ok THEN worst
        WHEN number IS NULL AND truth IS NULL AND label IS NULL AND labels IS NULL THEN 'wrong_type'
        WHEN NOT isfinite(number) OR abs(number) > 1e100 THEN 'out_of_range'
        ELSE 'ok'
    END AS status,
    CASE WHEN status = 'ok' THEN number END AS value_number,
    CASE WHEN status = 'ok' THEN label END AS value_text,
    CASE WHEN status = 'ok' THEN truth END AS value_boolean,
    CASE WHEN status = 'ok' THEN labels END AS value_list
FROM folded;
