-- Of the latest reading of each file: one that was rewritten is read again, and its refused records are kept by reading.
WITH latest AS (
    SELECT file_id
    FROM ingested_files
    WHERE workspace_id = $workspace_id
    QUALIFY row_number() OVER (PARTITION BY url ORDER BY started_at DESC) = 1
)

SELECT reason, count(*) AS records, max(rejected_at) AS last_at
FROM rejected_records
SEMI JOIN latest USING (file_id)
WHERE workspace_id = $workspace_id
GROUP BY reason
ORDER BY records DESC, reason
