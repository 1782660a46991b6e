-- Period rows written since $since: of the day that starts at $day, and of others; and what the day's hour is now.
SELECT
    count(*) FILTER (computed_at >= $since AND revision > 1 AND on_the_day)::BIGINT AS revised,
    count(*) FILTER ((computed_at >= $since OR superseded_at >= $since) AND NOT on_the_day)::BIGINT AS elsewhere,
    round(sum(value) FILTER (granularity = 'hour' AND period_start = $day::TIMESTAMPTZ AND superseded_at IS NULL), 3) AS total
FROM (
    SELECT *, period_start >= $day::TIMESTAMPTZ AND period_start < $day::TIMESTAMPTZ + INTERVAL 1 DAY AS on_the_day
    FROM metric_periods
);
