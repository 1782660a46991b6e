-- reads: periods (plan_id, period_start, period_end), to which `scope_hours` or `scope_spans` has given a period_id
-- leaves: slices and places: the parts of UTC hours that lie in the periods, and which periods each is part of.
-- A slice is a whole UTC hour, but where a period starts or ends within one, as days of +05:30 do. It is a stratum too:
-- where conversations were left out, each hour stands for what happened in it.
CREATE OR REPLACE TEMP TABLE places AS
WITH hours AS (
    SELECT
        period_id, plan_id, period_start, period_end,
        unnest(generate_series(
            date_trunc('hour', period_start), period_end - INTERVAL 1 MICROSECOND, INTERVAL 1 HOUR
        )) AS hour
    FROM periods
    WHERE has_slices
)
SELECT
    period_id,
    plan_id,
    epoch_us(hour) // 3_600_000_000 AS hour_number,
    epoch_us(greatest(hour, period_start)) AS since_us,
    epoch_us(least(hour + INTERVAL 1 HOUR, period_end)) AS until_us
FROM hours;
