-- reads: entered, plan
-- leaves: rows of category_counted: the categories of one span, counted
INSERT INTO category_counted BY NAME
WITH labelled AS (
    SELECT plan_id, tick, traffic, service_id, group_key, confidence, unnest(labels) AS category
    FROM entered
)

SELECT
    plan_id,
    tick,
    traffic,
    service_id,
    group_key,
    category,
    count(*) AS true_count,
    sum(confidence) AS confidence_sum,
    count(confidence) AS confidence_count
FROM labelled
GROUP BY ALL;
