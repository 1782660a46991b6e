-- How long one waits for the other: `answers`, a row of `said` with the pause before it and what it answers; `spikes`; and
-- `latency` for each conversation.

CREATE OR REPLACE TEMP TABLE answers AS
WITH before AS (
    SELECT
        * EXCLUDE (words, state, emotion),
        max(until_us) FILTER (speaker = 'agent') OVER earlier AS agent_until_us,
        max(until_us) FILTER (speaker = 'user') OVER earlier AS user_until_us,
        max(until_us) OVER earlier AS floor_us,  -- when all who had begun before were silent
        lag(speaker) OVER by_time AS last_speaker
    FROM said
    WINDOW
        by_time AS (PARTITION BY conversation_id ORDER BY at_us, place),
        earlier AS (
            PARTITION BY conversation_id ORDER BY at_us, place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
),
held AS (
    SELECT
        * EXCLUDE (agent_until_us, user_until_us, floor_us, last_speaker),
        if(form IS NOT NULL AND at_us >= floor_us, (at_us - floor_us) / 1e3, NULL) AS pause_ms,
        -- Who fell silent last; where two did at once, the one who began last.
        CASE
            WHEN form = 'written' THEN last_speaker
            WHEN user_until_us = floor_us AND (last_speaker = 'user' OR agent_until_us IS DISTINCT FROM floor_us)
                THEN 'user'
            WHEN agent_until_us = floor_us THEN 'agent'
        END AS floor
    FROM before
)
SELECT
    *,
    if(form = 'spoken', pause_ms, NULL) AS pause_before_ms,
    CASE WHEN speaker = 'agent' THEN coalesce(given_response_ms, if(floor = 'user', pause_ms, NULL)) END AS response_ms,
    CASE WHEN speaker = 'user' THEN coalesce(given_user_response_ms, if(floor = 'agent', pause_ms, NULL)) END
        AS user_response_ms,
    CASE WHEN speaker = 'agent' AND is_turn THEN coalesce(audio_ttfb_ms, response_ms, engine_ms) END AS latency_ms
FROM held;

CREATE OR REPLACE TEMP TABLE measured AS
SELECT
    conversation_id,
    count(*) FILTER (is_turn AND speaker = 'agent') AS turn_count,
    avg(audio_ttfb_ms ORDER BY audio_ttfb_ms) AS avg_audio_ttfb_ms,
    quantile_cont(audio_ttfb_ms, [0.5, 0.95]) AS audio_ttfb_ms,
    avg(engine_ms ORDER BY engine_ms) AS avg_engine_ms,
    quantile_cont(engine_ms, [0.5, 0.95]) AS engine_ms,
    avg(nav_ms ORDER BY nav_ms) AS avg_nav_ms,
    avg(render_ms ORDER BY render_ms) AS avg_render_ms,
    bool_or(form IS NOT NULL) AS is_timed,
    count(response_ms) AS response_count,
    avg(response_ms ORDER BY response_ms) AS avg_response_ms,
    quantile_cont(response_ms, [0.5, 0.9, 0.95, 0.99]) AS response_ms,
    max(response_ms) AS max_response_ms,
    count(user_response_ms) AS user_response_count,
    avg(user_response_ms ORDER BY user_response_ms) AS avg_user_response_ms,
    quantile_cont(user_response_ms, [0.5, 0.95]) AS user_response_ms,
    max(user_response_ms) AS max_user_response_ms,
    median(latency_ms) AS median_latency_ms,
    min(at_us) FILTER (speaker = 'agent') AS agent_at_us,
    min(at_us) FILTER (speaker = 'user') AS user_at_us
FROM answers
GROUP BY conversation_id;

CREATE OR REPLACE TEMP TABLE spikes AS
SELECT conversation_id, place, turn, at_us, latency_ms
FROM answers JOIN measured USING (conversation_id)
WHERE latency_ms >= 3000 AND latency_ms >= 2 * median_latency_ms;

CREATE OR REPLACE TEMP TABLE latency AS
SELECT
    conversation_id,
    json_object(
        'turn_count', coalesce(turn_count, 0),
        'avg_audio_ttfb_ms', avg_audio_ttfb_ms,
        'p50_audio_ttfb_ms', audio_ttfb_ms[1], 'p95_audio_ttfb_ms', audio_ttfb_ms[2],
        'avg_engine_ms', avg_engine_ms, 'p50_engine_ms', engine_ms[1], 'p95_engine_ms', engine_ms[2],
        'avg_nav_ms', avg_nav_ms, 'avg_render_ms', avg_render_ms,
        'response_count', if(is_timed OR response_count > 0, response_count, NULL),
        'avg_response_ms', avg_response_ms,
        'p50_response_ms', response_ms[1], 'p90_response_ms', response_ms[2],
        'p95_response_ms', response_ms[3], 'p99_response_ms', response_ms[4], 'max_response_ms', max_response_ms,
        'user_response_count', if(is_timed OR user_response_count > 0, user_response_count, NULL),
        'avg_user_response_ms', avg_user_response_ms,
        'p50_user_response_ms', user_response_ms[1], 'p95_user_response_ms', user_response_ms[2],
        'max_user_response_ms', max_user_response_ms,
        'latency_spike_count', if(median_latency_ms IS NULL, NULL, coalesce(spike_count, 0)),
        'agent_time_to_first_word_ms', if(agent_at_us >= session_us, (agent_at_us - session_us) / 1e3, NULL),
        'user_time_to_first_word_ms', if(user_at_us >= session_us, (user_at_us - session_us) / 1e3, NULL),
        'silence_seconds', (end_us - start_us) / 1e6 - talk_seconds,
        'longest_pause_seconds', longest_pause_seconds,
        'long_pause_count', long_pause_count
    ) AS latency_summary
FROM frame
LEFT JOIN measured USING (conversation_id)
LEFT JOIN talk USING (conversation_id)
LEFT JOIN (SELECT conversation_id, count(*) AS spike_count FROM spikes GROUP BY conversation_id) USING (conversation_id);
