-- reads: formula_input, eligible, known_value
-- leaves: formula_result: what each formula makes of a conversation's values; inputs and results are put in by the
--   caller
CREATE OR REPLACE TEMP TABLE formula_result AS
WITH input AS (
    SELECT
        i.metric_key,
        e.conversation_id,
        any_value(i.place) AS place,
        bool_or(coalesce(k.unfinished, TRUE)) AS waiting,
        bool_or(coalesce(k.status = 'not_applicable', FALSE)) AS inapplicable
    FROM formula_input AS i
    CROSS JOIN eligible AS e
    LEFT JOIN known_value AS k ON k.metric_key = i.input_key AND k.conversation_id = e.conversation_id
    GROUP BY ALL
),

wide AS (
    SELECT conversation_id, /*inputs*/
    FROM known_value
    GROUP BY conversation_id
),

result AS (
    SELECT conversation_id, [/*results*/]::JSON[] AS results
    FROM wide
)

SELECT
    i.metric_key,
    i.conversation_id,
    nullif(r.results[i.place], 'null'::JSON) AS value,
    i.waiting,
    i.inapplicable
FROM input AS i
LEFT JOIN result AS r USING (conversation_id);
