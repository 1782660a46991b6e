-- The categories of one span, counted.
INSERT INTO category_counted BY NAME
WITH labelled AS (
    SELECT plan_id, tick, traffic, service_id, confidence, unnest(labels) AS category
    FROM entered
    WHERE metric_type = 'categorical'
)

SELECT
    plan_id,
    tick,
    traffic,
    service_id,
    category,
    count(*) AS true_count,
    sum(confidence) AS confidence_sum,
    count(confidence) AS confidence_count
FROM labelled
GROUP BY plan_id, tick, traffic, service_id, category;
