-- reads: counted, periods (period_id, plan_id, period_start, period_end, has_slices); variable tick
-- leaves: places: the hours that hold something, and which periods each is part of. What nothing was counted in costs
--   nothing, so that a span of two thousand years is as cheap as its data.
-- A place is a whole UTC hour, but where a period starts or ends within one, as days of +05:30 do. It is a stratum too:
-- where conversations were left out, each hour stands for what happened in it.
CREATE OR REPLACE TEMP TABLE places AS
WITH hours AS (
    SELECT DISTINCT floor(tick * getvariable('tick') / 3_600_000_000)::BIGINT AS hour_number
    FROM counted
),

spans AS (
    SELECT DISTINCT period_start, period_end, epoch_us(period_start) AS start_us, epoch_us(period_end) AS end_us
    FROM periods
    WHERE has_slices
),

held AS (
    SELECT
        spans.period_start, spans.period_end, hours.hour_number,
        greatest(hours.hour_number * 3_600_000_000, spans.start_us) AS since_us,
        least((hours.hour_number + 1) * 3_600_000_000, spans.end_us) AS until_us
    FROM spans
    JOIN hours
        ON hours.hour_number * 3_600_000_000 < spans.end_us
        AND (hours.hour_number + 1) * 3_600_000_000 > spans.start_us
)

SELECT periods.period_id, periods.plan_id, held.hour_number, held.since_us, held.until_us
FROM periods
JOIN held USING (period_start, period_end)
WHERE periods.has_slices;
