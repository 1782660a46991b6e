-- How the speakers felt and what was found wrong: `emotion`, `risk` and `safety`.

CREATE OR REPLACE TEMP TABLE emotion AS
WITH heard AS (
    SELECT
        conversation_id, place, true AS is_segment,
        json_extract(data, ['$.dominant', '$.valence', '$.arousal']) AS fields,
        if(json_type(fields[1]) = 'VARCHAR', fields[1] ->> '$', NULL) AS label,
        number_between(fields[2], -1, 1) AS valence,
        number_between(fields[3], 0, 1) AS arousal
    FROM slice
    WHERE event_type = 'emotion.segment'
    UNION ALL BY NAME
    SELECT conversation_id, place, false AS is_segment, emotion AS label, valence, arousal
    FROM said
    WHERE is_turn AND speaker = 'user' AND (emotion IS NOT NULL OR valence IS NOT NULL OR arousal IS NOT NULL)
),
chosen AS (
    SELECT *
    FROM heard
    WHERE is_segment OR conversation_id NOT IN (SELECT conversation_id FROM heard WHERE is_segment)
),
labels AS (
    SELECT
        conversation_id,
        arg_max(label, (frequency, -first_place)) AS dominant_emotion,
        sum(shifts)::BIGINT AS emotional_shifts
    FROM (
        SELECT conversation_id, label, count(*) AS frequency, min(place) AS first_place, count(*) FILTER (shifts) AS shifts
        FROM (
            SELECT *, label <> lag(label) OVER (PARTITION BY conversation_id ORDER BY place) AS shifts
            FROM chosen
            WHERE label IS NOT NULL
        )
        GROUP BY conversation_id, label
    )
    GROUP BY conversation_id
),
levels AS (
    SELECT
        conversation_id,
        avg(valence ORDER BY valence) AS average_valence,
        avg(arousal ORDER BY arousal) AS average_arousal,
        if(count(valence) > 0, least(min(valence), 0), NULL) AS peak_negative_valence
    FROM chosen
    GROUP BY conversation_id
),
sentiments AS (
    SELECT
        conversation_id,
        avg(sentiment ORDER BY sentiment) FILTER (speaker = 'user') AS average_user_sentiment,
        avg(sentiment ORDER BY sentiment) FILTER (speaker = 'agent') AS average_agent_sentiment,
        avg((sentiment < 0)::INT) FILTER (speaker = 'user') AS negative_user_turn_ratio
    FROM said
    WHERE is_turn AND sentiment IS NOT NULL
    GROUP BY conversation_id
)
SELECT
    conversation_id,
    json_object(
        'dominant_emotion', dominant_emotion, 'average_valence', average_valence, 'average_arousal', average_arousal,
        'peak_negative_valence', peak_negative_valence, 'emotional_shifts', emotional_shifts,
        'average_user_sentiment', average_user_sentiment, 'average_agent_sentiment', average_agent_sentiment,
        'negative_user_turn_ratio', negative_user_turn_ratio
    ) AS emotion_summary
FROM levels LEFT JOIN labels USING (conversation_id) FULL JOIN sentiments USING (conversation_id);

CREATE OR REPLACE TEMP TABLE risk AS
WITH signals AS (
    SELECT
        conversation_id, place, turn, occurred_at,
        data ->> '$.name' AS name,
        number_between(data -> '$.raw_score', 0, 1) AS raw_score,
        coalesce(number_between(data -> '$.weight', 0, 1e6), 1) AS weight,
        data ->> '$.detail' AS detail
    FROM slice
    WHERE event_type = 'risk.signal'
    QUALIFY row_number() OVER (PARTITION BY conversation_id, name ORDER BY place DESC) = 1
)
SELECT
    conversation_id,
    max(place) AS place,
    max(turn) AS turn,
    epoch_us(max(occurred_at)) AS instant_us,
    least(sum(raw_score * weight ORDER BY raw_score * weight), 1) AS score,
    json_object(
        'composite_score', score,
        'signals', list({
            'name': name, 'raw_score': raw_score, 'weight': weight, 'weighted_score': raw_score * weight, 'detail': detail
        } ORDER BY place)
    ) AS risk_summary
FROM signals
GROUP BY conversation_id;

CREATE OR REPLACE TEMP TABLE safety AS
SELECT
    conversation_id,
    json_object('match_count', sum(flags)::BIGINT, 'actions', list(action ORDER BY place) FILTER (action IS NOT NULL))
        AS safety_summary
FROM (
    SELECT conversation_id, data ->> '$.action' AS action, min(place) AS place, count(*) AS flags
    FROM slice
    WHERE event_type = 'safety.flag'
    GROUP BY conversation_id, action
)
GROUP BY conversation_id;
