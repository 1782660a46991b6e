-- reads: entered, plan
-- leaves: rows of unit_counted and unit_category_counted: of metrics over single events, what each conversation adds.
--   Events of one conversation resemble one another, so an interval rests on conversations and not on events.
INSERT INTO unit_counted BY NAME
SELECT
    plan_id,
    e.tick,
    e.traffic,
    e.service_id,
    e.group_key,
    e.conversation_id,
    sum(CASE plan.family WHEN 'ratio' THEN e.numerator WHEN 'share' THEN e.is_true::DOUBLE ELSE e.number END) AS above,
    sum(CASE WHEN plan.family = 'ratio' THEN e.denominator ELSE 1.0 END) AS below
FROM entered AS e
JOIN plan USING (plan_id)
WHERE plan.clustered AND e.status = 'ok'
GROUP BY ALL;

INSERT INTO unit_category_counted BY NAME
WITH labelled AS (
    SELECT e.plan_id, e.tick, e.traffic, e.service_id, e.group_key, e.conversation_id, unnest(e.labels) AS category
    FROM entered AS e
    JOIN plan USING (plan_id)
    WHERE plan.clustered AND plan.metric_type = 'categorical'
)
SELECT *, count(*)::DOUBLE AS above
FROM labelled
GROUP BY ALL;
