-- Replace what one process may still spend. Reservations of dead processes go when they have expired.
DELETE FROM judge_reservations
WHERE workspace_id = $workspace_id AND (holder = $holder OR expires_at <= $now);
INSERT INTO judge_reservations BY NAME
SELECT $workspace_id AS workspace_id, $holder AS holder, $run_id AS run_id, $calls::BIGINT AS calls,
    $usd::DOUBLE AS usd, $expires_at::TIMESTAMPTZ AS expires_at
WHERE $calls > 0;
