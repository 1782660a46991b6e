SELECT url, place, reason, detail
FROM rejected_records
WHERE workspace_id = $workspace_id
ORDER BY rejected_at, url, place
