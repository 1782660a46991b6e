-- reads: counted, plan
-- leaves: nothing; answers with a row if a lot left anything out
SELECT 1
FROM counted
JOIN plan USING (plan_id)
WHERE plan.random AND status IN ('not_sampled', 'over_cap', 'over_budget')
LIMIT 1;
