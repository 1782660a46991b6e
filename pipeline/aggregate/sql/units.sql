-- reads: placed_units, merged
-- leaves: rows of units and merged_units: conversations as the independent units of metrics over events
INSERT INTO units BY NAME
SELECT period_id, class_id, conversation_id, sum(above) AS above, sum(below) AS below
FROM placed_units
GROUP BY period_id, class_id, conversation_id;

INSERT INTO merged_units BY NAME
SELECT
    u.period_id,
    u.class_id,
    count(*) AS unit_count,
    sum(u.below ** 2) AS below_2,
    sum(u.below ** 3) AS below_3,
    sum(u.below ** 4) AS below_4,
    sum((u.above - m.centre * u.below) ** 2) AS away_2,
    sum((u.above - m.centre * u.below) ** 3) AS away_3,
    sum((u.above - m.centre * u.below) ** 4) AS away_4
FROM units AS u
JOIN merged AS m USING (period_id, class_id)
GROUP BY u.period_id, u.class_id;
