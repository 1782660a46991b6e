-- For each conversation and each metric of `batch`: the state that is known before anything is extracted, or null.
-- `gate_verdict` holds what gates, filters and policies keep out. A backfill decides anew what a policy left out.
INSERT INTO work BY NAME
WITH candidate AS (
    SELECT
        d.metric_key,
        d.definition_version,
        e.* EXCLUDE (channel, direction, tags, unsettled),
        d.sampling_rate,
        d.selection,
        d.cap,
        d.answerable,
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
        CASE
            WHEN reused THEN s.status
            WHEN e.unsettled THEN 'pending'
            WHEN NOT in_scope(d.channel_scope, d.product_types, e.channel, e.direction, e.tags) THEN 'not_applicable'
            ELSE g.state
        END AS decided,
        CASE WHEN NOT reused AND decided = 'not_applicable' THEN g.reason END AS reason
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
    WHERE d.metric_key IN (SELECT unnest(getvariable('batch')))
),

-- Who competes for a place under the cap: what has been paid for keeps its place, so that the next run asks no more.
ranked AS (
    SELECT
        metric_key,
        conversation_id,
        row_number() OVER (
            PARTITION BY metric_key
            ORDER BY
                CASE WHEN selection = 'stratified' THEN place_in_hour END,
                CASE WHEN selection = 'recent' THEN NULL ELSE draw END,
                ended_at DESC NULLS LAST,
                conversation_id
        ) AS place
    FROM (
        SELECT
            *,
            row_number() OVER (
                PARTITION BY metric_key, hour_of(ended_at) ORDER BY draw, conversation_id
            ) AS place_in_hour
        FROM candidate
        WHERE cap IS NOT NULL
            AND draw < sampling_rate
            AND (decided IS NULL OR (reused AND decided <> 'not_applicable'))
    )
)

SELECT
    c.* EXCLUDE (decided, sampling_rate, selection, cap, answerable, draw),
    r.place,
    CASE
        WHEN c.decided IS NOT NULL THEN c.decided
        WHEN c.draw >= c.sampling_rate THEN 'not_sampled'
        WHEN r.place > c.cap THEN 'over_cap'
        WHEN NOT c.answerable THEN 'no_model'
    END AS state
FROM candidate AS c
LEFT JOIN ranked AS r USING (metric_key, conversation_id);
