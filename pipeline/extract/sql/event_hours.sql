-- What earlier runs of each version have dealt with: the hours of their windows, and what had arrived for them by then.
CREATE OR REPLACE TEMP TABLE done AS
SELECT metric_key, window_start, window_end, coalesce(arrivals_until, window_start) AS arrivals_until
FROM extraction_runs
SEMI JOIN definition USING (metric_key, definition_version)
WHERE workspace_id = $workspace_id
    AND failure IS NULL
    AND window_start < $window_end
    AND window_end > $window_start;

CREATE OR REPLACE TEMP TABLE covered AS
SELECT metric_key, hour, max(arrivals_until) AS arrivals_until
FROM (
    SELECT
        metric_key,
        arrivals_until,
        unnest(generate_series(window_start, window_end - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS hour
    FROM done
)
GROUP BY metric_key, hour;

-- Hours of the window that are new or that something has arrived for since; hours before it that something arrived for
-- in the window, unless a run that looked at those arrivals has dealt with it.
CREATE OR REPLACE TEMP TABLE event_hour AS
SELECT DISTINCT v.metric_key, own.definition_version, hour_of(v.observed_at) AS hour
FROM event_reading AS v
JOIN definition AS own USING (metric_key)
LEFT JOIN covered AS c ON c.metric_key = v.metric_key AND c.hour = hour_of(v.observed_at)
WHERE v.workspace_id = $workspace_id
    AND v.observed_at >= $window_start
    AND v.observed_at < $window_end
    AND (c.hour IS NULL OR v.ingested_at > c.arrivals_until)
UNION
SELECT v.metric_key, own.definition_version, hour_of(v.observed_at) AS hour
FROM event_reading AS v
JOIN definition AS own USING (metric_key)
WHERE v.workspace_id = $workspace_id
    AND v.observed_at < $window_start
    AND v.ingested_at >= $window_start
    AND v.ingested_at < $window_end
    AND NOT EXISTS (
        SELECT 1
        FROM done AS d
        WHERE d.metric_key = v.metric_key
            AND d.window_start <= v.ingested_at
            AND d.window_end > v.ingested_at
            AND d.arrivals_until >= v.ingested_at
    );

SET VARIABLE event_since = (SELECT min(hour) FROM event_hour);
SET VARIABLE event_until = (SELECT max(hour) + INTERVAL 1 HOUR FROM event_hour);
