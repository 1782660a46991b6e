-- Tokens, money and model calls: `usage`.

CREATE OR REPLACE TEMP TABLE usage AS
WITH asked AS (
    SELECT
        conversation_id, place, event_type,
        json_extract(data, ['$.tokens_in', '$.tokens_cached', '$.tokens_out', '$.cost_usd', '$.model', '$.duration_ms'])
            AS fields
    FROM slice
    WHERE event_type <> 'call_intelligence.row'
),
read AS (
    SELECT
        conversation_id, place, starts_with(event_type, 'user.') AS is_user, event_type = 'model.call' AS is_call,
        number_between(fields[1], 0, 1e15) AS tokens_in,
        number_between(fields[2], 0, 1e15) AS tokens_cached,
        number_between(fields[3], 0, 1e15) AS tokens_out,
        number_between(fields[4], 0, 1e9) AS cost_usd,
        if(json_type(fields[5]) = 'VARCHAR', fields[5] ->> '$', NULL) AS model,
        if(is_call, number_between(fields[6], 0, 86400000), NULL) AS duration_ms
    FROM asked
),
counted AS (
    SELECT
        conversation_id,
        (sum(tokens_in) FILTER (NOT is_user))::BIGINT AS tokens_in,
        (sum(tokens_cached) FILTER (NOT is_user))::BIGINT AS tokens_cached,
        (sum(tokens_out) FILTER (NOT is_user))::BIGINT AS tokens_out,
        sum(cost_usd ORDER BY cost_usd) FILTER (NOT is_user) AS cost_usd,
        sum(cost_usd ORDER BY cost_usd) FILTER (is_user) AS user_cost_usd,
        nullif(count(*) FILTER (is_call), 0) AS model_call_count,
        avg(duration_ms ORDER BY duration_ms) AS avg_model_call_ms,
        max(duration_ms) AS max_model_call_ms
    FROM read
    GROUP BY conversation_id
),
models AS (
    SELECT conversation_id, list(model ORDER BY place) AS models
    FROM (
        SELECT conversation_id, model, min(place) AS place
        FROM read
        WHERE model IS NOT NULL AND NOT is_user
        GROUP BY conversation_id, model
    )
    GROUP BY conversation_id
)
SELECT
    conversation_id,
    json_object(
        'tokens_in', tokens_in, 'tokens_cached', tokens_cached, 'tokens_out', tokens_out, 'cost_usd', cost_usd,
        'user_cost_usd', user_cost_usd, 'models', models, 'model_call_count', model_call_count,
        'avg_model_call_ms', avg_model_call_ms, 'max_model_call_ms', max_model_call_ms
    ) AS usage_summary
FROM counted LEFT JOIN models USING (conversation_id);
