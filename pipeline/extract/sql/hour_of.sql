-- As date_trunc('hour', instant), which asks the calendar about every row.
CREATE OR REPLACE TEMP MACRO hour_of(instant) AS
    make_timestamptz(floor(epoch_us(instant) / 3_600_000_000)::BIGINT * 3_600_000_000);
