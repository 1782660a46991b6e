-- reads: work, fresh
-- leaves: how many conversations of each metric are in which state, reused or new
SELECT
    w.metric_key,
    coalesce(w.state, f.status) AS state,
    w.reused,
    w.state IS NULL AS open,
    count(*) AS conversations
FROM work AS w
LEFT JOIN fresh AS f
    ON f.metric_key = w.metric_key
    AND f.entity_id = w.conversation_id
    AND f.participant IS NULL
    AND f.segment_from IS NULL
    AND f.sample_index = 0
GROUP BY ALL;
