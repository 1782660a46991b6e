-- What a JSON value is worth under its definition: a typed value, or the state that says why there is none.
-- `reading` names a relation with metric_key, value (JSON) and present (true: that there is a row is all that counts).
-- An integer that a double cannot hold (beyond 2^53) keeps its digits in `value_text`; nothing else that is a number
-- has a text. Text is compared and kept in Unicode's NFC.
CREATE OR REPLACE TEMP MACRO inexact_digits(text, number) AS
    CASE
        WHEN regexp_full_match(text, '[+-]?\d+')
            AND try_cast(text AS HUGEINT) IS DISTINCT FROM try_cast(number AS HUGEINT)
            THEN regexp_replace(text, '^(-?)\+?0*(\d)', '\1\2')
    END;

CREATE OR REPLACE TEMP MACRO typed(reading) AS TABLE
WITH kind AS (
    SELECT
        r.*,
        d.* EXCLUDE (metric_key),
        CASE WHEN NOT r.present THEN json_type(r.value) END AS json_kind,
        CASE WHEN NOT r.present THEN nfc_normalize(trim(r.value ->> '$')) END AS text
    FROM query_table(reading) AS r
    JOIN definition AS d USING (metric_key)
),

candidate AS (
    SELECT
        *,
        CASE
            WHEN present THEN 1.0
            WHEN json_kind IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE')
                OR (json_kind = 'VARCHAR' AND regexp_full_match(text, '[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?'))
                THEN try_cast(text AS DOUBLE)
        END AS number,
        CASE
            WHEN present THEN TRUE
            WHEN json_kind NOT IN ('BOOLEAN', 'VARCHAR') THEN NULL
            WHEN lower(text) = lower(true_label) THEN TRUE
            WHEN lower(text) = lower(false_label) THEN FALSE
            WHEN lower(text) IN ('true', 'false') THEN lower(text) = 'true'
        END AS truth,
        CASE
            WHEN present OR json_kind IN ('ARRAY', 'OBJECT') THEN NULL
            ELSE text
        END AS label,
        CASE
            WHEN NOT multi_label OR json_kind = 'OBJECT' THEN NULL
            WHEN json_kind = 'ARRAY' THEN
                CASE
                    WHEN list_has_any(json_type(value, '$[*]'), ['ARRAY', 'OBJECT']) THEN NULL
                    ELSE list_sort(list_distinct(list_transform(json_extract(value, '$[*]'), lambda x: nfc_normalize(trim(x ->> '$')))))
                END
            ELSE [text]
        END AS labels
    FROM kind
),

decided AS (
    SELECT
        *,
        CASE
            WHEN present THEN CASE WHEN metric_type = 'categorical' THEN 'missing' ELSE 'ok' END
            WHEN value IS NULL OR json_kind = 'NULL' OR text = '' THEN 'missing'
            WHEN metric_type = 'numerical' THEN
                CASE
                    WHEN number IS NULL THEN 'wrong_type'
                    WHEN number NOT BETWEEN range_min AND range_max OR isnan(number) THEN 'out_of_range'
                    ELSE 'ok'
                END
            WHEN metric_type = 'boolean' THEN CASE WHEN truth IS NULL THEN 'wrong_type' ELSE 'ok' END
            WHEN multi_label THEN
                CASE
                    WHEN labels IS NULL THEN 'wrong_type'
                    WHEN len(labels) > max_labels THEN 'out_of_range'
                    WHEN NOT coalesce(list_has_all(categories, labels), TRUE) THEN 'unknown_category'
                    ELSE 'ok'
                END
            WHEN label IS NULL THEN 'wrong_type'
            WHEN NOT coalesce(list_contains(categories, label), TRUE) THEN 'unknown_category'
            ELSE 'ok'
        END AS status
    FROM candidate
)

SELECT
    * EXCLUDE (value, present, json_kind, text, number, truth, label, labels),
    CASE WHEN status = 'ok' AND metric_type = 'numerical' THEN number END AS value_number,
    CASE WHEN status = 'ok' AND metric_type = 'boolean' THEN truth END AS value_boolean,
    CASE
        WHEN status <> 'ok' THEN NULL
        WHEN metric_type = 'categorical' AND NOT multi_label THEN label
        WHEN metric_type = 'numerical' AND abs(number) >= 9007199254740992 THEN inexact_digits(text, number)
    END AS value_text,
    CASE WHEN status = 'ok' AND metric_type = 'categorical' AND multi_label THEN labels END AS value_list
FROM decided;
