-- What is recomputed. Takes `taken`, `plan`, `days` (span_start, span_end) and `foreign_periods`.
-- A slice is the part of a UTC hour that lies in one local day: a whole hour, but for zones such as +05:30.

CREATE OR REPLACE TEMP TABLE stale AS
SELECT plan.plan_id, taken.hour
FROM taken
JOIN plan USING (metric_key, definition_version);

CREATE OR REPLACE TEMP TABLE touched_days AS
SELECT DISTINCT stale.plan_id, days.span_start AS day_start, days.span_end AS day_end
FROM stale
JOIN days ON stale.hour < days.span_end AND stale.hour + INTERVAL 1 HOUR > days.span_start;

CREATE OR REPLACE TEMP TABLE slices AS
WITH hours AS (
    SELECT
        plan_id, day_start, day_end,
        unnest(generate_series(date_trunc('hour', day_start), day_end - INTERVAL 1 MICROSECOND, INTERVAL 1 HOUR)) AS hour
    FROM touched_days
)
SELECT
    row_number() OVER () AS slice_id,
    plan_id,
    hour,
    epoch_us(hour) // 3_600_000_000 AS hour_number,
    epoch_us(greatest(hour, day_start)) AS since_us,
    epoch_us(least(hour + INTERVAL 1 HOUR, day_end)) AS until_us,
    day_start,
    day_end
FROM hours;

-- What may get new rows; a day of another zone has no slices, so that its rows only end.
CREATE OR REPLACE TEMP TABLE periods AS
WITH own AS (
    SELECT plan_id, 'day' AS granularity, day_start AS period_start, day_end AS period_end FROM touched_days
    UNION ALL
    SELECT plan_id, 'hour', hour, hour + INTERVAL 1 HOUR FROM stale
)
SELECT row_number() OVER () AS period_id, *
FROM (
    FROM own
    UNION ALL
    SELECT plan.plan_id, f.granularity, f.period_start, f.period_end
    FROM foreign_periods AS f
    JOIN plan USING (metric_key, definition_version)
    ANTI JOIN own
        ON own.plan_id = plan.plan_id AND own.granularity = f.granularity AND own.period_start = f.period_start
);

-- The periods that a slice is part of: its day, and its hour where that is stale. `alone`: one tick is all of a period.
CREATE OR REPLACE TEMP TABLE places AS
SELECT slices.slice_id, periods.period_id, false AS alone
FROM slices
JOIN periods
    ON periods.plan_id = slices.plan_id
    AND periods.granularity = 'day'
    AND periods.period_start = slices.day_start
UNION ALL
SELECT slices.slice_id, periods.period_id, getvariable('tick') = 3_600_000_000
FROM slices
JOIN periods
    ON periods.plan_id = slices.plan_id
    AND periods.granularity = 'hour'
    AND periods.period_start = slices.hour;
