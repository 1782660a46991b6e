-- Up to when hours are done, the last whole local day before that, and whether the day before it is whole too.
WITH done AS (
    SELECT max(window_end) AS until
    FROM extraction_runs
    WHERE workspace_id = $workspace_id AND failure IS NULL
),

earliest AS (
    SELECT min(occurred_at) AS instant
    FROM events
    WHERE workspace_id = $workspace_id
),

days AS (
    SELECT DISTINCT period_start, period_end
    FROM metric_periods
    WHERE workspace_id = $workspace_id AND granularity = 'day' AND superseded_at IS NULL
)

SELECT
    done.until,
    max(days.period_start) AS day,
    coalesce(earliest.instant < max(days.period_start) - INTERVAL 23 HOUR, FALSE) AS previous_is_whole
FROM done
CROSS JOIN earliest
LEFT JOIN days ON days.period_end <= done.until
GROUP BY done.until, earliest.instant
