-- reads: entered, counted, plan; macro draw_of; variables since, until, tick
-- leaves: rows of drawn: each hour of a metric that a lot chose from and that left conversations out, and whether it is mixed:
--   more than one in ten of the k that were examined are not among the k lowest draws, so something else chose them
INSERT INTO drawn BY NAME
WITH short AS (
    SELECT DISTINCT plan_id, traffic, floor(tick * getvariable('tick') / 3_600_000_000)::BIGINT AS hour_number
    FROM counted
    JOIN plan USING (plan_id)
    WHERE plan.random AND status IN ('not_sampled', 'over_cap', 'over_budget')
),

chosen AS (
    SELECT
        e.plan_id,
        e.traffic,
        short.hour_number,
        e.conversation_id,
        bool_and(e.status NOT IN ('not_sampled', 'over_cap', 'over_budget')) AS examined
    FROM entered AS e
    JOIN short
        ON short.plan_id = e.plan_id
        AND short.traffic = e.traffic
        AND short.hour_number = floor(e.tick * getvariable('tick') / 3_600_000_000)::BIGINT
    WHERE e.status <> 'pending'  -- nobody knows yet whether it will be examined
    GROUP BY ALL
),

placed AS (
    SELECT
        plan_id,
        traffic,
        hour_number,
        examined,
        row_number() OVER (PARTITION BY plan_id, traffic, hour_number ORDER BY draw_of(conversation_id)) AS place,
        count_if(examined) OVER (PARTITION BY plan_id, traffic, hour_number) AS examined_count
    FROM chosen
)

SELECT
    plan_id,
    traffic,
    hour_number,
    -- A few are out of place where a budget ended, or where one that was due left the window.
    count_if(examined AND place > examined_count) > 0.1 * any_value(examined_count) AS mixed
FROM placed
GROUP BY plan_id, traffic, hour_number;
