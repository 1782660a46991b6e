-- For each conversation and each metric of `batch`: the state that is known before anything is extracted, or null.
-- `gate_verdict` holds what gates, filters and policies keep out. A backfill decides anew what a policy left out.
-- What the cap leaves out comes next (places.sql).
INSERT INTO work BY NAME
SELECT
    d.metric_key,
    d.definition_version,
    e.* EXCLUDE (channel, direction, tags, unsettled),
    s.status AS stored_status,
    coalesce(s.left_out, FALSE) AS stored_left_out,
    CASE WHEN s.status = 'error' AND s.content_hash = e.content_hash THEN s.attempts ELSE 0 END AS attempts,
    coalesce(
        s.content_hash = e.content_hash
        AND NOT (s.left_out AND getvariable('redecide'))
        AND (
            NOT list_contains(getvariable('unfinished'), s.status)
            OR (s.status = 'error' AND s.attempts >= getvariable('error_attempts'))
        ),
        FALSE
    ) AS reused,
    -- Chosen by an earlier run, which did not finish it.
    b.metric_key IS NOT NULL
        OR coalesce(s.content_hash = e.content_hash AND s.status IN ('error', 'over_budget'), FALSE) AS begun,
    CASE
        WHEN reused THEN s.status
        WHEN e.unsettled THEN 'pending'
        WHEN NOT in_scope(d.channel_scope, d.product_types, e.channel, e.direction, e.tags) THEN 'not_applicable'
        WHEN g.state IS NOT NULL THEN g.state
        WHEN e.draw >= d.sampling_rate THEN 'not_sampled'
        WHEN NOT d.answerable THEN 'no_model'
    END AS state,
    CASE WHEN NOT reused AND state = 'not_applicable' THEN g.reason END AS reason
FROM definition AS d
CROSS JOIN eligible AS e
LEFT JOIN stored AS s
    ON s.metric_key = d.metric_key
    AND s.definition_version = d.definition_version
    AND s.entity_id = e.conversation_id
    AND s.participant IS NULL
    AND s.segment_from IS NULL
    AND s.sample_index = 0
LEFT JOIN (
    SELECT metric_key, conversation_id, min(state) AS state, min(reason) AS reason FROM gate_verdict GROUP BY ALL
) AS g ON g.metric_key = d.metric_key AND g.conversation_id = e.conversation_id
LEFT JOIN begun AS b
    ON b.metric_key = d.metric_key AND b.conversation_id = e.conversation_id AND b.content_hash = e.content_hash
WHERE d.metric_key IN (SELECT unnest(getvariable('batch')));
