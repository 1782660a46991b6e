-- Values one by one, newest conversation first, each row with the number of all and with the turns that it is about.
WITH chosen AS (
    SELECT *, count(*) OVER () AS total
    FROM values_in_force($workspace_id)
    WHERE ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], metric_key))
        AND (NOT $whole OR whole)
        AND ($status = 'all' OR status = $status)
        AND ($traffic = 'all' OR traffic = $traffic)
        AND ($entity_type::VARCHAR IS NULL OR entity_type = $entity_type)
        AND ($entity_id::VARCHAR IS NULL OR entity_id = $entity_id)
        AND ($service_id::VARCHAR IS NULL OR service_id = $service_id)
        AND ($run_id::VARCHAR IS NULL OR conversation_run_id = $run_id)
        AND ($session_id::VARCHAR IS NULL OR session_id = $session_id)
        AND ($dated IS NOT TRUE OR observed_at IS NOT NULL)
        AND ($date_from::TIMESTAMPTZ IS NULL OR observed_at >= $date_from::TIMESTAMPTZ)
        AND ($date_to::TIMESTAMPTZ IS NULL OR observed_at < $date_to::TIMESTAMPTZ)
    ORDER BY
        observed_at DESC NULLS LAST, entity_id, metric_key, participant NULLS FIRST, segment_from NULLS FIRST,
        sample_index
    LIMIT $limit OFFSET $offset
),

-- Turns are long: they are read only where parts of conversations are asked for.
talk AS (
    SELECT conversation_id, started_at AS began_at, turns
    FROM conversations
    WHERE NOT $whole
        AND workspace_id = $workspace_id
        AND conversation_id IN (SELECT entity_id FROM chosen WHERE NOT whole)
)

SELECT
    v.*,
    CASE
        WHEN v.segment_from IS NULL THEN 'CALL'
        WHEN v.segment_from = coalesce(v.segment_to, v.segment_from) THEN 'SEGMENT'
        ELSE 'SEGMENT_RANGE'
    END AS context,
    coalesce(
        t.turns[v.segment_from + 1].role,
        list_filter(t.turns, lambda turn: coalesce(turn.participant, turn.role) = v.participant)[1].role
    ) AS participant_role,
    segment_of(t.turns[v.segment_from + 1], t.began_at) AS from_segment,
    segment_of(t.turns[coalesce(v.segment_to, v.segment_from) + 1], t.began_at) AS to_segment
FROM chosen AS v
LEFT JOIN talk AS t ON t.conversation_id = v.entity_id AND v.entity_type = 'conversation'
ORDER BY
    v.observed_at DESC NULLS LAST, v.entity_id, v.metric_key, v.participant NULLS FIRST, v.segment_from NULLS FIRST,
    v.sample_index;
