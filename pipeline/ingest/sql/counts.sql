-- What became of the records of each file in this chunk.
WITH outcomes AS (
    SELECT file_id, coalesce(decided.outcome, 'new') AS outcome
    FROM offered LEFT JOIN decided USING (position, file_id)
    WHERE decided.outcome IS DISTINCT FROM 'conflict'
    UNION ALL
    SELECT file_id, if(aside.outcome = 'history', 'new', aside.outcome) AS outcome
    FROM staged JOIN aside USING (position)
    UNION ALL
    SELECT file_id, 'refused' AS outcome FROM refused
)
SELECT
    file_id,
    count(*) AS record_count,
    count(*) FILTER (outcome = 'new') AS event_count,
    count(*) FILTER (outcome = 'duplicate') AS duplicate_count,
    count(*) FILTER (outcome = 'refused') AS rejected_count
FROM outcomes
GROUP BY file_id
