-- Turns with words, and the places of the expressions that are found in each. Most turns have none of all, which one
-- expression says; they are not tried one by one.
CREATE OR REPLACE TEMP TABLE turn_match AS
WITH turn AS (
    SELECT * REPLACE (nfc_normalize(text) AS text)
    FROM (SELECT conversation_id, unnest(turns, max_depth := 2) FROM todo_conversation)
)

SELECT
    conversation_id,
    index,
    role,
    coalesce(participant, role) AS participant,
    started_at,
    CASE WHEN regexp_matches(text, $any) THEN list_where(range(1, $count + 1), [/*matches*/]) END AS places
FROM turn
WHERE ltrim(text) <> '';

-- One row for each trigger; `hit` is null when only an unknown time stands between match and no match.
CREATE OR REPLACE TEMP TABLE turn_hit AS
WITH found AS (
    SELECT * EXCLUDE (places), unnest(places) AS place
    FROM turn_match
),

asked AS (
    SELECT p.*, d.scope, d.participant_role
    FROM pattern AS p
    JOIN definition AS d USING (metric_key)
),

trigger AS (
    SELECT a.*, f.*
    FROM asked AS a
    JOIN found AS f ON f.place = a.trigger_place
    WHERE (a.trigger_role IS NULL OR f.role = a.trigger_role)
        AND (a.participant_role IS NULL OR f.role = a.participant_role)
),

outcome AS (
    SELECT a.metric_key, f.*
    FROM asked AS a
    JOIN found AS f ON f.place = a.outcome_place
    WHERE (a.outcome_role IS NULL OR f.role = a.outcome_role)
        AND (a.participant_role IS NULL OR f.role = a.participant_role)
)

SELECT metric_key, conversation_id, scope, participant, index, started_at, TRUE AS hit
FROM trigger
WHERE outcome_place IS NULL
UNION ALL
SELECT
    t.metric_key,
    t.conversation_id,
    t.scope,
    t.participant,
    t.index,
    t.started_at,
    CASE
        WHEN o.index IS NULL OR o.index - t.index > t.within_turns THEN FALSE
        WHEN t.within_seconds IS NULL THEN TRUE
        ELSE epoch(o.started_at) - epoch(t.started_at) <= t.within_seconds
    END
FROM (SELECT * FROM trigger WHERE outcome_place IS NOT NULL) AS t
ASOF LEFT JOIN outcome AS o
    ON o.metric_key = t.metric_key AND o.conversation_id = t.conversation_id AND o.index > t.index;

-- A reading for each conversation, participant or turn with words, and what was found there.
INSERT INTO reading BY NAME
WITH speaker AS (
    SELECT conversation_id, role, participant, min(index) AS index
    FROM turn_match
    GROUP BY ALL
),

-- Of whole conversations and of participants, with all roles (null) and with each.
together AS (
    SELECT
        conversation_id,
        role,
        participant,
        if(grouping(participant) = 1, 'conversation', 'participant') AS scope,
        min(index) AS index
    FROM speaker
    GROUP BY GROUPING SETS (
        (conversation_id), (conversation_id, role), (conversation_id, participant), (conversation_id, participant, role)
    )
),

asked AS (
    SELECT p.metric_key, p.result, d.scope, d.participant_role, t.conversation_id, t.observed_at
    FROM pattern AS p
    JOIN definition AS d USING (metric_key)
    JOIN todo AS t USING (metric_key)
),

unit AS (
    SELECT a.*, g.participant, NULL::BIGINT AS segment, g.index AS position
    FROM asked AS a
    JOIN together AS g
        ON g.conversation_id = a.conversation_id AND g.scope = a.scope AND g.role IS NOT DISTINCT FROM a.participant_role
    UNION ALL
    SELECT a.*, m.participant, m.index, m.index
    FROM asked AS a
    JOIN turn_match AS m USING (conversation_id)
    WHERE a.scope = 'turn' AND (a.participant_role IS NULL OR m.role = a.participant_role)
),

counted AS (
    SELECT
        metric_key,
        conversation_id,
        CASE WHEN scope <> 'conversation' THEN participant END AS participant,
        CASE WHEN scope = 'turn' THEN index END AS segment,
        count(*) FILTER (hit) AS hits,
        count(*) FILTER (hit IS NULL) AS unknown,
        arg_min(started_at, index) FILTER (hit) AS first_at
    FROM turn_hit
    GROUP BY ALL
),

decided AS (
    SELECT
        u.*,
        coalesce(c.hits, 0) AS hits,
        coalesce(c.unknown, 0) > 0 AS any_unknown,
        epoch(c.first_at) - epoch(u.observed_at) AS first_offset
    FROM unit AS u
    LEFT JOIN counted AS c
        ON c.metric_key = u.metric_key AND c.conversation_id = u.conversation_id
        AND c.participant IS NOT DISTINCT FROM u.participant AND c.segment IS NOT DISTINCT FROM u.segment
)

SELECT
    metric_key,
    conversation_id,
    participant,
    segment,
    position,
    CASE
        WHEN result = 'exists' AND (hits > 0 OR NOT any_unknown) THEN to_json(hits > 0)
        WHEN result = 'count' AND NOT any_unknown THEN to_json(hits)
        WHEN result = 'first_offset' AND first_offset IS NOT NULL THEN to_json(first_offset)
    END AS value,
    FALSE AS present,
    CASE WHEN result = 'first_offset' AND hits = 0 AND NOT any_unknown THEN 'not_applicable' END AS state
FROM decided;
