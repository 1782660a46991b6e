-- Files whose latest reading failed.
SELECT url, failure, finished_at
FROM ingested_files
WHERE workspace_id = $workspace_id
QUALIFY row_number() OVER (PARTITION BY url ORDER BY started_at DESC) = 1 AND failure IS NOT NULL
ORDER BY finished_at DESC
LIMIT 100
