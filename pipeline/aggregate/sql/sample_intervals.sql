-- reads: sample, shares_of_samples (period_id, class_id, low_share, high_share)
-- leaves: sample_intervals (period_id, class_id, low, high): the values that stand at two shares of the weight of a sorted
--   sample; NULL where the sample is too small to have one
CREATE OR REPLACE TEMP TABLE sample_intervals AS
SELECT
    s.period_id,
    s.class_id,
    min(s.number) FILTER (s.middle + s.weight / 2 >= b.low_share * s.total) AS low,
    min(s.number) FILTER (s.middle + s.weight / 2 >= b.high_share * s.total) AS high
FROM sample AS s
JOIN shares_of_samples AS b USING (period_id, class_id)
GROUP BY s.period_id, s.class_id;
