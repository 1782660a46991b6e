-- Snapshots that are neither published nor read.
SELECT coalesce(list(snapshot_id), []) FROM ducklake_snapshots('lake') WHERE NOT list_contains($in_use, snapshot_id)
