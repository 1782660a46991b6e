-- reads: entered, plan
-- leaves: rows of pivot_sums: near which number the values of a metric lie, so that sums of powers do not cancel
INSERT INTO pivot_sums BY NAME
SELECT plan_id, count(e.number) AS value_count, sum(e.number) AS value_sum
FROM entered AS e
JOIN plan USING (plan_id)
WHERE plan.needs_moments AND e.number IS NOT NULL
GROUP BY plan_id;
