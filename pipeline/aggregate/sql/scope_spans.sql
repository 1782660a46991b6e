-- reads: plan, spans (span_start, span_end)
-- leaves: periods (as scope_hours does): each span that is asked for, of each metric that is asked for
CREATE OR REPLACE TEMP TABLE periods AS
SELECT
    row_number() OVER () AS period_id,
    plan.plan_id,
    'span' AS granularity,
    spans.span_start AS period_start,
    spans.span_end AS period_end,
    NULL::VARCHAR AS reason,
    true AS has_slices
FROM plan
CROSS JOIN (SELECT DISTINCT span_start, span_end FROM spans) AS spans
WHERE plan.asked;
