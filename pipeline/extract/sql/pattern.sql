CREATE OR REPLACE TEMP TABLE turn_match AS
WITH turn AS (
    SELECT conversation_id, unnest(turns, max_depth := 2)
    FROM todo_conversation
)

SELECT conversation_id, index, role, participant, started_at, [/*matches*/] AS matches
FROM turn
WHERE trim(text) <> '';

-- One row for each definition and turn; `hit` is null when only an unknown time stands between match and no match.
CREATE OR REPLACE TEMP TABLE turn_hit AS
WITH asked AS (
    SELECT
        p.*,
        t.conversation_id,
        t.observed_at,
        d.scope,
        m.index,
        coalesce(m.participant, m.role) AS participant,
        m.started_at,
        m.matches[p.trigger_place] AND coalesce(m.role = p.trigger_role, p.trigger_role IS NULL) AS is_trigger,
        coalesce(m.matches[p.outcome_place] AND coalesce(m.role = p.outcome_role, p.outcome_role IS NULL), FALSE)
            AS is_outcome
    FROM pattern AS p
    JOIN definition AS d USING (metric_key)
    JOIN todo AS t USING (metric_key)
    JOIN turn_match AS m USING (conversation_id)
    WHERE d.participant_role IS NULL OR m.role = d.participant_role
)

SELECT
    a.* EXCLUDE (is_trigger, is_outcome),
    CASE
        WHEN NOT a.is_trigger THEN FALSE
        WHEN a.outcome_place IS NULL THEN TRUE
        WHEN o.index IS NULL OR o.index - a.index > a.within_turns THEN FALSE
        WHEN a.within_seconds IS NULL THEN TRUE
        ELSE epoch(o.started_at) - epoch(a.started_at) <= a.within_seconds
    END AS hit
FROM asked AS a
ASOF LEFT JOIN (SELECT * FROM asked WHERE is_outcome) AS o
    ON o.metric_key = a.metric_key AND o.conversation_id = a.conversation_id AND o.index > a.index;

INSERT INTO reading BY NAME
WITH grouped AS (
    SELECT
        metric_key,
        conversation_id,
        CASE WHEN scope <> 'conversation' THEN participant END AS participant,
        CASE WHEN scope = 'turn' THEN index END AS segment,
        result,
        min(index) AS position,
        bool_or(hit) AS any_hit,
        bool_or(hit IS NULL) AS any_unknown,
        count(*) FILTER (hit) AS hits,
        epoch(arg_min(started_at, index) FILTER (hit)) - epoch(any_value(observed_at)) AS first_offset
    FROM turn_hit
    GROUP BY ALL
)

SELECT
    metric_key,
    conversation_id,
    participant,
    segment,
    position,
    CASE
        WHEN result = 'exists' AND (any_hit OR NOT any_unknown) THEN to_json(coalesce(any_hit, FALSE))
        WHEN result = 'count' AND NOT any_unknown THEN to_json(hits)
        WHEN result = 'first_offset' AND first_offset IS NOT NULL THEN to_json(first_offset)
    END AS value,
    FALSE AS present,
    CASE WHEN result = 'first_offset' AND hits = 0 AND NOT any_unknown THEN 'not_applicable' END AS state
FROM grouped;
