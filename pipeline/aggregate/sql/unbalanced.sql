-- reads: merged, periods, plan
-- leaves: a period whose eligible values are not the sum of its states, if there is one
SELECT
    plan.metric_key,
    plan.definition_version,
    periods.period_start,
    m.eligible_count,
    m.event_count + m.not_applicable_count + m.abstained_count + m.missing_count + m.out_of_range_count
    + m.unknown_category_count + m.wrong_type_count + m.parse_error_count + m.error_count + m.not_sampled_count
    + m.over_cap_count + m.over_budget_count + m.no_model_count + m.pending_count AS states
FROM merged AS m
JOIN periods USING (period_id)
JOIN plan USING (plan_id)
WHERE m.eligible_count <> states
LIMIT 1;
