-- Who of `work` gets a place under the cap of the metrics of `batch`, and how far that raises the thresholds.
-- The cap is the number of places that one hourly partition gives. What was begun has its place from the partition that
-- chose it. Of a random sample those below their stratum's threshold are due and come first; then place by place the
-- lowest draw of the stratum that is least covered. If more are due than there are places, the lowest draws of all get
-- them, so that no hour waits for another, and the others stay due.
CREATE OR REPLACE TEMP TABLE contender AS
WITH sizes AS (
    SELECT
        metric_key,
        traffic,
        hour_of(observed_at) AS hour,
        count(*) AS size,
        count(*) FILTER (reused OR begun) AS examined
    FROM work
    WHERE metric_key IN (SELECT unnest(getvariable('batch'))) AND state IS DISTINCT FROM 'not_applicable'
    GROUP BY ALL
),

asking AS (
    SELECT
        w.metric_key,
        w.conversation_id,
        w.traffic,
        hour_of(w.observed_at) AS hour,
        s.size,
        s.examined,
        d.selection,
        w.begun,
        w.draw,
        w.ended_at,
        greatest(d.cap - coalesce(t.places, 0), 0) AS free,
        coalesce(w.draw < c.threshold, FALSE) AS due
    FROM work AS w
    JOIN definition AS d USING (metric_key)
    LEFT JOIN coverage AS c
        ON c.metric_key = w.metric_key AND c.traffic = w.traffic AND c.hour = hour_of(w.observed_at)
    LEFT JOIN taken AS t ON t.metric_key = w.metric_key
    JOIN sizes AS s
        ON s.metric_key = w.metric_key AND s.traffic = w.traffic AND s.hour IS NOT DISTINCT FROM hour_of(w.observed_at)
    WHERE w.metric_key IN (SELECT unnest(getvariable('batch')))
        AND w.state IS NULL
        AND d.cap IS NOT NULL
        AND (w.begun OR d.selection = 'recent' OR w.draw < c.threshold OR coalesce(c.may_rise, TRUE))
),

counted AS (
    SELECT
        *,
        count(*) FILTER (due AND NOT begun) OVER (PARTITION BY metric_key) <= free AS due_first,
        -- What share of the stratum is examined before this one is, if its places go by draw.
        (
            examined
            + row_number() OVER (
                PARTITION BY metric_key, traffic, hour
                ORDER BY begun DESC, due DESC, draw, conversation_id
            ) - 1
        ) / size AS covered
    FROM asking
),

ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY metric_key
            ORDER BY
                begun DESC,
                CASE WHEN selection = 'random' THEN due AND due_first END DESC,
                CASE WHEN selection = 'random' AND due_first AND NOT due THEN covered END,
                CASE WHEN selection = 'random' THEN draw END,
                ended_at DESC NULLS LAST,
                conversation_id
        ) AS place
    FROM counted
)

SELECT *, begun OR place - count(*) FILTER (begun) OVER (PARTITION BY metric_key) <= free AS chosen
FROM ranked;

-- Every stratum that may rise does so up to its lowest draw that got no place.
INSERT INTO raised BY NAME
WITH unplaced AS (
    SELECT metric_key, traffic, hour, min(draw) AS draw
    FROM contender
    WHERE NOT chosen
    GROUP BY metric_key, traffic, hour
)

SELECT c.metric_key, c.traffic, c.hour, coalesce(u.draw, d.sampling_rate) AS threshold
FROM coverage AS c
JOIN definition AS d USING (metric_key)
LEFT JOIN unplaced AS u USING (metric_key, traffic, hour)
WHERE c.metric_key IN (SELECT unnest(getvariable('batch')))
    AND c.may_rise
    AND coalesce(u.draw, d.sampling_rate) > c.threshold;

UPDATE work AS w
SET place = c.place
FROM contender AS c
WHERE c.chosen AND c.metric_key = w.metric_key AND c.conversation_id = w.conversation_id;

UPDATE work AS w
SET state = 'over_cap'
FROM definition AS d
WHERE d.metric_key = w.metric_key
    AND d.cap IS NOT NULL
    AND w.metric_key IN (SELECT unnest(getvariable('batch')))
    AND w.state IS NULL
    AND w.place IS NULL;
