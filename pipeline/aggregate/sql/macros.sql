-- reads: nothing
-- leaves: macros for statistics that DuckDB lacks; each answers NULL where it is not defined, never NaN or infinity

CREATE OR REPLACE TEMP MACRO finite(x) AS CASE WHEN isfinite(x) THEN x END;

-- Power sums of the distances of n values from a point `away` their mean, given those from the mean itself.
CREATE OR REPLACE TEMP MACRO moved_2(n, m2, away) AS m2 + n * away ** 2;
CREATE OR REPLACE TEMP MACRO moved_3(n, m2, m3, away) AS m3 + 3 * away * m2 + n * away ** 3;
CREATE OR REPLACE TEMP MACRO moved_4(n, m2, m3, m4, away) AS
    m4 + 4 * away * m3 + 6 * away ** 2 * m2 + n * away ** 4;

-- A sum of third powers that is only what rounding left of a symmetric sample is 0, in whatever order it was added up.
CREATE OR REPLACE TEMP MACRO skewed(cubes, squares) AS
    CASE WHEN abs(cubes) <= 1e-11 * squares ** 1.5 THEN 0.0 ELSE cubes END;

-- Equal but for the order of summation; `scale` is the size of what was summed, which matters where a sum cancels.
-- The ends of intervals rest on third and fourth powers, so the order moves them further.
CREATE OR REPLACE TEMP MACRO near(a, b, scale, share := 1e-9) AS
    a IS NOT DISTINCT FROM b OR coalesce(abs(a - b) <= share * greatest(abs(a), abs(b), scale), false);
