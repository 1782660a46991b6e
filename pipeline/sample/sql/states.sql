-- The current day rows of all services, state by state, and how many current rows of any kind do not add up.
WITH rows AS (
    SELECT
        *,
        event_count + not_applicable_count + abstained_count + missing_count + out_of_range_count
        + unknown_category_count + wrong_type_count + parse_error_count + error_count + not_sampled_count
        + over_cap_count + over_budget_count + no_model_count + pending_count AS states
    FROM metric_periods
    WHERE workspace_id = $workspace_id AND superseded_at IS NULL
),

total AS (
    SELECT * FROM rows WHERE granularity = 'day' AND service_id IS NULL AND category IS NULL
)

SELECT
    (SELECT count(*) FROM rows) AS row_count,
    (SELECT count(*) FROM rows WHERE states <> eligible_count) AS unbalanced,
    coalesce(sum(eligible_count), 0)::BIGINT AS eligible,
    coalesce(sum(event_count), 0)::BIGINT AS ok,
    coalesce(sum(not_applicable_count), 0)::BIGINT AS not_applicable,
    coalesce(sum(abstained_count), 0)::BIGINT AS abstained,
    coalesce(sum(missing_count), 0)::BIGINT AS missing,
    coalesce(sum(out_of_range_count), 0)::BIGINT AS out_of_range,
    coalesce(sum(unknown_category_count), 0)::BIGINT AS unknown_category,
    coalesce(sum(wrong_type_count), 0)::BIGINT AS wrong_type,
    coalesce(sum(parse_error_count), 0)::BIGINT AS parse_error,
    coalesce(sum(error_count), 0)::BIGINT AS error,
    coalesce(sum(not_sampled_count), 0)::BIGINT AS not_sampled,
    coalesce(sum(over_cap_count), 0)::BIGINT AS over_cap,
    coalesce(sum(over_budget_count), 0)::BIGINT AS over_budget,
    coalesce(sum(no_model_count), 0)::BIGINT AS no_model,
    coalesce(sum(pending_count), 0)::BIGINT AS pending
FROM total
