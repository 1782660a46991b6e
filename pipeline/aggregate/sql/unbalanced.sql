SELECT
    metric_key,
    definition_version,
    period_start,
    eligible_count,
    event_count + not_applicable_count + abstained_count + missing_count + out_of_range_count + unknown_category_count
    + wrong_type_count + parse_error_count + error_count + not_sampled_count + over_cap_count + over_budget_count
    + no_model_count + pending_count AS states
FROM finished
WHERE eligible_count <> states
LIMIT 1;
