-- Words, states and repetitions: `agent_turns` with what each repeats, and `dialogue` for each conversation.

CREATE OR REPLACE TEMP TABLE agent_turns AS
WITH ordered AS (
    SELECT
        conversation_id, place, turn, speaker, at_us, state, word_count, words,
        max(place) FILTER (speaker = 'user') OVER by_place AS user_place
    FROM said
    WHERE is_turn
    WINDOW by_place AS (PARTITION BY conversation_id ORDER BY place ROWS UNBOUNDED PRECEDING)
),
followed AS (
    SELECT
        *,
        lag(words) OVER by_place AS last_words,
        max(place) FILTER (state IS NOT NULL) OVER earlier AS last_state_place,
        last_value(state IGNORE NULLS) OVER earlier AS last_state
    FROM ordered
    WHERE speaker = 'agent'
    WINDOW
        by_place AS (PARTITION BY conversation_id ORDER BY place),
        earlier AS (PARTITION BY conversation_id ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
said_again AS (
    SELECT conversation_id, words, min(place) AS first_place
    FROM followed
    WHERE words IS NOT NULL AND word_count >= 4
    GROUP BY conversation_id, words
    HAVING count(*) > 1
)
SELECT
    f.conversation_id, f.place, f.turn, f.at_us, f.state, f.words IS NOT NULL AS has_words,
    f.state IS NOT NULL AND f.state IS DISTINCT FROM last_state AS begins_visit,
    coalesce(f.state = last_state AND user_place > last_state_place, false) AS repeats_state,
    coalesce(f.words = last_words, false) AS repeats_utterance,
    coalesce(f.place > first_place, false) AS repeats_words
FROM followed AS f LEFT JOIN said_again AS s ON f.conversation_id = s.conversation_id AND f.words = s.words;

CREATE OR REPLACE TEMP TABLE dialogue AS
WITH turns AS (
    SELECT
        conversation_id,
        count(*) FILTER (is_turn) AS turn_count,
        count(*) FILTER (is_turn AND speaker = 'agent') AS agent_turn_count,
        count(*) FILTER (is_turn AND speaker = 'user') AS user_turn_count,
        count(*) FILTER (is_turn AND speaker = 'operator') AS operator_turn_count,
        count(word_count) AS texts,
        count(word_count) FILTER (speaker = 'agent') AS agent_texts,
        count(word_count) FILTER (speaker = 'user') AS user_texts,
        sum(word_count)::BIGINT AS word_count,
        (sum(word_count) FILTER (speaker = 'agent'))::BIGINT AS agent_word_count,
        (sum(word_count) FILTER (speaker = 'user'))::BIGINT AS user_word_count,
        sum(word_count) FILTER (speaker = 'agent' AND length_us > 0) * 6e7
            / sum(length_us) FILTER (speaker = 'agent' AND word_count IS NOT NULL AND length_us > 0) AS agent_wpm,
        sum(word_count) FILTER (speaker = 'user' AND length_us > 0) * 6e7
            / sum(length_us) FILTER (speaker = 'user' AND word_count IS NOT NULL AND length_us > 0) AS user_wpm,
        count(length_us) FILTER (is_turn AND speaker = 'agent') AS agent_lengths,
        count(length_us) FILTER (is_turn AND speaker = 'user') AS user_lengths,
        avg(length_us) FILTER (is_turn AND speaker = 'agent') / 1e6 AS avg_agent_turn_seconds,
        avg(length_us) FILTER (is_turn AND speaker = 'user') / 1e6 AS avg_user_turn_seconds,
        max(length_us) FILTER (is_turn AND speaker = 'agent') / 1e6 AS max_agent_turn_seconds,
        max(length_us) FILTER (is_turn AND speaker = 'user') / 1e6 AS max_user_turn_seconds,
        avg(stt_confidence ORDER BY stt_confidence) FILTER (speaker = 'user') AS avg_stt_confidence,
        count(interrupted) FILTER (is_turn AND speaker = 'agent') AS agent_flags,
        count(interrupted) FILTER (is_turn AND speaker = 'user') AS user_flags,
        bool_or(speaker = 'agent') AS agent_spoke,
        bool_or(speaker = 'user') AS user_spoke,
        last(state ORDER BY place) FILTER (state IS NOT NULL) AS last_state
    FROM said
    GROUP BY conversation_id
),
loops AS (
    SELECT
        conversation_id,
        count(*) FILTER (begins_visit) AS visits,
        count(DISTINCT state) AS states,
        count(*) FILTER (repeats_state) AS state_repeats,
        count(*) FILTER (has_words) AS worded,
        count(*) FILTER (repeats_utterance) AS utterance_loops,
        count(*) FILTER (repeats_words) AS repetitions
    FROM agent_turns
    GROUP BY conversation_id
)
SELECT * FROM turns LEFT JOIN loops USING (conversation_id);
