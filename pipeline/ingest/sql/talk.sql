-- Talk time, overtalk and silence of spoken conversations, by sweeping over the moments at which somebody begins or ends:
-- `talk` for each conversation, and `turn_overlaps` for each turn or stretch of speech.

CREATE OR REPLACE TEMP TABLE sweep AS
WITH edges AS (
    SELECT conversation_id, place, speaker, at_us AS moment_us, 1 AS step FROM said WHERE form = 'spoken'
    UNION ALL
    SELECT conversation_id, place, speaker, until_us, -1 FROM said WHERE form = 'spoken'
),
counted AS (
    SELECT
        conversation_id, place, step, moment_us,
        lead(moment_us, 1, moment_us) OVER by_time - moment_us AS length_us,
        sum(step) FILTER (speaker = 'agent') OVER by_time AS agents,
        sum(step) FILTER (speaker = 'user') OVER by_time AS users,
        sum(step) FILTER (speaker = 'operator') OVER by_time AS operators,
        sum(step) FILTER (speaker = 'other') OVER by_time AS others
    FROM edges
    WINDOW by_time AS (PARTITION BY conversation_id ORDER BY moment_us, step DESC, place ROWS UNBOUNDED PRECEDING)
),
speaking AS (
    SELECT
        * EXCLUDE (agents, users, operators, others),
        coalesce(agents > 0, false) AS agent,
        coalesce(users > 0, false) AS user,
        coalesce(operators > 0, false) AS operator,
        coalesce(others > 0, false) AS other
    FROM counted
)
SELECT *, agent::INT + user::INT + operator::INT + other::INT AS speakers
FROM speaking;

-- The last edge of a conversation has length 0: a stretch without a speaker is a pause between speech and speech.
CREATE OR REPLACE TEMP TABLE talk AS
SELECT
    conversation_id,
    coalesce(sum(length_us) FILTER (speakers > 0), 0) / 1e6 AS talk_seconds,
    coalesce(sum(length_us) FILTER (agent), 0) / 1e6 AS agent_talk_seconds,
    coalesce(sum(length_us) FILTER (user), 0) / 1e6 AS user_talk_seconds,
    sum(length_us) FILTER (operator) / 1e6 AS operator_talk_seconds,
    coalesce(sum(length_us) FILTER (speakers > 1), 0) / 1e6 AS overtalk_seconds,
    coalesce(max(length_us) FILTER (speakers = 0), 0) / 1e6 AS longest_pause_seconds,
    count(*) FILTER (speakers = 0 AND length_us >= 5e6) AS long_pause_count
FROM sweep
GROUP BY conversation_id;

-- Overtalk before a turn's end less overtalk before its beginning: while it goes on, whoever else speaks overlaps it.
CREATE OR REPLACE TEMP TABLE turn_overlaps AS
SELECT conversation_id, place, max(before_us) - min(before_us) AS overlap_us
FROM (
    SELECT
        conversation_id, place,
        coalesce(sum(length_us) FILTER (speakers > 1) OVER (
            PARTITION BY conversation_id ORDER BY moment_us, step DESC, place
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS before_us
    FROM sweep
    WHERE conversation_id IN (SELECT conversation_id FROM talk WHERE overtalk_seconds > 0)
)
GROUP BY conversation_id, place;
