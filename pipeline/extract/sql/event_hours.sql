-- What earlier runs of each version have dealt with.
CREATE OR REPLACE TEMP TABLE done AS
SELECT metric_key, window_start, window_end, arrivals_until
FROM extraction_runs
SEMI JOIN definition USING (metric_key, definition_version)
WHERE workspace_id = $workspace_id AND failure IS NULL;

CREATE OR REPLACE TEMP TABLE covered AS
SELECT DISTINCT metric_key, unnest(generate_series(window_start, window_end - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS hour
FROM done;

CREATE OR REPLACE TEMP TABLE seen AS
SELECT metric_key, coalesce(max(arrivals_until), TIMESTAMPTZ '1970-01-01 00:00:00+00') AS until
FROM done
GROUP BY metric_key;

-- New hours of the window, then hours that something has arrived for since.
CREATE OR REPLACE TEMP TABLE event_hour AS
WITH found AS (
    SELECT metric_key, definition_version, date_trunc('hour', observed_at) AS hour, FALSE AS late
    FROM event_value
    WHERE workspace_id = $workspace_id
        AND observed_at >= $window_start
        AND observed_at < $window_end
    UNION ALL
    SELECT v.metric_key, v.definition_version, date_trunc('hour', v.observed_at) AS hour, TRUE AS late
    FROM event_value AS v
    JOIN seen AS s USING (metric_key)
    WHERE v.workspace_id = $workspace_id
        AND v.ingested_at > s.until
        AND v.ingested_at > (SELECT min(until) FROM seen)  -- reaches the scan
        AND v.observed_at IS NOT NULL
)

SELECT DISTINCT f.metric_key, f.definition_version, f.hour
FROM found AS f
LEFT JOIN covered AS c ON c.metric_key = f.metric_key AND c.hour = f.hour
WHERE CASE WHEN f.late THEN f.hour < $running_hour OR c.hour IS NOT NULL ELSE c.hour IS NULL END;
