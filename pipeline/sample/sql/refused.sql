-- Of the latest reading of each file: a file that was rewritten is read again, and refused records are kept by reading.
WITH latest AS (
    SELECT file_id
    FROM ingested_files
    WHERE workspace_id = $workspace_id
    QUALIFY row_number() OVER (PARTITION BY url ORDER BY started_at DESC) = 1
)

SELECT url, place, reason, detail
FROM rejected_records
SEMI JOIN latest USING (file_id)
WHERE workspace_id = $workspace_id
ORDER BY url, place
