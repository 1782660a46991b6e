-- What became of the records of each file in this chunk.
SELECT
    file_id,
    count(*) AS record_count,
    count(*) FILTER (outcome = 'new') AS event_count,
    count(*) FILTER (outcome = 'duplicate') AS duplicate_count,
    count(*) FILTER (outcome = 'refused') AS rejected_count
FROM (
    SELECT file_id, outcome FROM judged WHERE outcome <> 'conflict'
    UNION ALL
    SELECT file_id, 'refused' AS outcome FROM refused
)
GROUP BY file_id
