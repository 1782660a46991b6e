-- Statistics that DuckDB lacks. Every one answers NULL where it is not defined, never NaN or infinity.

CREATE OR REPLACE TEMP MACRO finite(x) AS CASE WHEN isfinite(x) THEN x END;

-- Wilson score interval of a share, 95 %: Wilson (1927), without continuity correction; 1.96 to double precision.
CREATE OR REPLACE TEMP MACRO wilson_half(share, n) AS
    1.959963984540054 * sqrt(share * (1 - share) / n + 1.959963984540054 ** 2 / (4 * n ** 2))
    / (1 + 1.959963984540054 ** 2 / n);
CREATE OR REPLACE TEMP MACRO wilson_centre(share, n) AS
    (share + 1.959963984540054 ** 2 / (2 * n)) / (1 + 1.959963984540054 ** 2 / n);
CREATE OR REPLACE TEMP MACRO wilson_low(share, n) AS
    CASE
        WHEN n > 0 AND share > 0 THEN greatest(0.0, wilson_centre(share, n) - wilson_half(share, n))
        WHEN n > 0 THEN 0.0
    END;
CREATE OR REPLACE TEMP MACRO wilson_high(share, n) AS
    CASE
        WHEN n > 0 AND share < 1 THEN least(1.0, wilson_centre(share, n) + wilson_half(share, n))
        WHEN n > 0 THEN 1.0
    END;

-- Squared deviations of a union of samples from their common mean, without the cancellation that subtracting squares
-- of large sums brings: Chan, Golub and LeVeque (1979). The lists hold one element for each sample that is not empty.
-- NULL where a sample has none.
CREATE OR REPLACE TEMP MACRO merged_squares(mean, counts, sums, squares) AS
    CASE WHEN list_count(squares) = len(squares) THEN list_sum(
        list_transform(
            list_zip(counts, sums, squares),
            lambda sample: sample[3] + sample[1] * (sample[2] / sample[1] - mean) ** 2
        )
    ) END;

-- Equal but for the order of summation; `scale` is the size of what was summed, which matters where a sum cancels.
CREATE OR REPLACE TEMP MACRO near(a, b, scale) AS
    a IS NOT DISTINCT FROM b OR coalesce(abs(a - b) <= 1e-9 * greatest(abs(a), abs(b), scale), false);
