SELECT reason, count(*) AS records, max(rejected_at) AS last_at
FROM rejected_records
WHERE workspace_id = $workspace_id
GROUP BY reason
ORDER BY records DESC, reason
