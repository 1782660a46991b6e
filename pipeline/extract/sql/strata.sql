-- What the store knows about the samples of this run's capped metrics. A stratum is an hour of starts of a traffic class.
CREATE OR REPLACE TEMP TABLE stratum AS
SELECT traffic, hour_of(observed_at) AS hour, min(last_arrival_at) AS seen_since
FROM eligible
WHERE observed_at IS NOT NULL
GROUP BY ALL;

SET VARIABLE strata_since = (SELECT min(hour) FROM stratum);

-- A threshold may rise while all conversations of the stratum that were ever looked at are looked at again: its hour lies
-- in the window, or all of it arrived in the window. Else the long and the late ones alone would be examined more.
CREATE OR REPLACE TEMP TABLE coverage AS
SELECT
    d.metric_key,
    s.traffic,
    s.hour,
    coalesce(t.threshold, 0) AS threshold,
    s.hour >= $window_start
        OR t.seen_since IS NULL
        OR (t.seen_since >= $window_start AND t.seen_since < $window_end) AS may_rise,
    least(s.seen_since, t.seen_since) AS seen_since
FROM definition AS d
CROSS JOIN stratum AS s
LEFT JOIN (
    FROM sample_thresholds
    WHERE workspace_id = $workspace_id AND hour >= getvariable('strata_since')
) AS t
    ON t.metric_key = d.metric_key
    AND t.definition_version = d.definition_version
    AND t.traffic = s.traffic
    AND t.hour = s.hour
WHERE d.cap IS NOT NULL AND d.answerable AND d.selection = 'random';

-- The places that earlier runs of this hourly partition took.
CREATE OR REPLACE TEMP TABLE taken AS
SELECT p.metric_key, sum(p.places)::BIGINT AS places
FROM partition_places AS p
SEMI JOIN definition AS d USING (metric_key, definition_version)
WHERE p.workspace_id = $workspace_id AND p.window_end = $window_end
GROUP BY ALL;

-- Conversations that were chosen and whose run has not said what became of them: it was killed, or a batch is open.
CREATE OR REPLACE TEMP TABLE begun AS
SELECT DISTINCT p.metric_key, p.conversation_id, p.content_hash
FROM open_places AS p
SEMI JOIN definition AS d USING (metric_key, definition_version)
WHERE p.workspace_id = $workspace_id;

CREATE OR REPLACE TEMP TABLE raised (metric_key VARCHAR, traffic VARCHAR, hour TIMESTAMPTZ, threshold DOUBLE);
