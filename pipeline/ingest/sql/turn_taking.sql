-- Runs of speech and who interrupts whom: `runs`, `interruptions`, and `turn_taking` for each spoken conversation.

-- A break of up to 200 ms does not end a run.
CREATE OR REPLACE TEMP TABLE runs AS
WITH broken AS (
    SELECT
        conversation_id, speaker, place, turn, at_us, until_us,
        at_us > max(until_us) OVER earlier + 200000 AS begins
    FROM said
    WHERE form = 'spoken' AND speaker IN ('agent', 'user')
    WINDOW earlier AS (
        PARTITION BY conversation_id, speaker ORDER BY at_us, place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
numbered AS (
    SELECT
        *,
        count(*) FILTER (begins) OVER (
            PARTITION BY conversation_id, speaker ORDER BY at_us, place ROWS UNBOUNDED PRECEDING
        ) AS run
    FROM broken
),
joined AS (
    SELECT
        conversation_id, speaker,
        min(at_us) AS at_us,
        max(until_us) AS until_us,
        arg_min(place, (at_us, place)) AS place,
        arg_min(turn, (at_us, place)) AS turn
    FROM numbered
    GROUP BY conversation_id, speaker, run
),
-- Runs of one speaker do not overlap: the other's last run that began is the only one that may still go on.
faced AS (
    SELECT
        *,
        if(speaker = 'user', max(at_us) FILTER (speaker = 'agent') OVER earlier,
           max(at_us) FILTER (speaker = 'user') OVER earlier) AS other_at_us,
        if(speaker = 'user', max(until_us) FILTER (speaker = 'agent') OVER earlier,
           max(until_us) FILTER (speaker = 'user') OVER earlier) AS other_until_us
    FROM joined
    WINDOW earlier AS (
        -- Of two that begin at once the shorter one faces the longer one.
        PARTITION BY conversation_id ORDER BY at_us, until_us DESC, place
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
)
SELECT
    *,
    least(until_us, other_until_us) - at_us AS overlap_us,
    coalesce(overlap_us > 0 AND until_us <= other_until_us AND until_us - at_us <= 1000000, false) AS is_backchannel,
    coalesce(NOT is_backchannel AND at_us - other_at_us >= 200000 AND overlap_us >= 200000, false) AS interrupts,
    interrupts AND until_us < other_until_us AS failed,
    -- How long the interrupted goes on, where they gave way.
    if(interrupts AND NOT failed, (other_until_us - at_us) / 1e3, NULL) AS stop_ms
FROM faced;

CREATE OR REPLACE TEMP TABLE turn_taking AS
SELECT
    conversation_id,
    count(*) FILTER (speaker = 'agent') AS agent_run_count,
    count(*) FILTER (speaker = 'user') AS user_run_count,
    count(*) FILTER (failed AND speaker = 'user') AS failed_barge_in_count,
    coalesce(sum(overlap_us) FILTER (interrupts AND speaker = 'user'), 0) / 1e6 AS barge_in_overlap_seconds,
    coalesce(sum(overlap_us) FILTER (interrupts AND speaker = 'agent'), 0) / 1e6 AS agent_interruption_overlap_seconds,
    avg(stop_ms ORDER BY stop_ms) FILTER (speaker = 'user') AS avg_agent_stop_ms,
    max(stop_ms) FILTER (speaker = 'user') AS max_agent_stop_ms,
    avg(stop_ms ORDER BY stop_ms) FILTER (speaker = 'agent') AS avg_user_stop_ms,
    max(stop_ms) FILTER (speaker = 'agent') AS max_user_stop_ms,
    avg(at_us - other_at_us) FILTER (interrupts) / 1e6 AS avg_pre_interruption_seconds,
    min(at_us) FILTER (interrupts) AS first_interruption_us,
    count(*) FILTER (is_backchannel AND speaker = 'user') AS user_backchannel_count,
    count(*) FILTER (is_backchannel AND speaker = 'agent') AS agent_backchannel_count
FROM runs
GROUP BY conversation_id;

-- What the source flags is believed; where it flags no turn of a role, the times tell. `speaker` is who cuts in.
CREATE OR REPLACE TEMP TABLE interruptions AS
SELECT conversation_id, place, turn, at_us, if(speaker = 'agent', 'user', 'agent') AS speaker
FROM said
WHERE interrupted AND is_turn AND speaker IN ('agent', 'user')
UNION ALL
SELECT conversation_id, place, turn, at_us, speaker
FROM runs JOIN dialogue USING (conversation_id)
WHERE interrupts AND if(speaker = 'user', agent_flags, user_flags) = 0;
