-- The commonest reason for which values of one metric are `error`, how often it is one, and how many errors there are.
-- Reads `metric_values` of conversations that began before the window's end and arrived since its start.
SELECT coalesce(error, 'no reason was kept') AS reason, count(*) AS errors, sum(count(*)) OVER () AS total
FROM metric_values
WHERE workspace_id = $workspace_id
    AND entity_type = 'conversation'
    AND metric_key = $metric_key
    AND definition_version = $definition_version
    AND first_arrival_at >= $since
    AND (observed_at IS NULL OR observed_at < $until)
    AND status = 'error'
    AND participant IS NULL
    AND segment_from IS NULL
    AND sample_index = 0
GROUP BY reason
ORDER BY errors DESC, reason
LIMIT 1;
