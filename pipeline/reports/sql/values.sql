-- Values one by one, newest conversation first, each row with the number of all.
SELECT *, count(*) OVER () AS total
FROM current_values($workspace_id)
WHERE ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], metric_key))
    AND (NOT $whole OR whole)
    AND ($status = 'all' OR status = $status)
    AND ($traffic = 'all' OR traffic = $traffic)
    AND ($entity_type::VARCHAR IS NULL OR entity_type = $entity_type)
    AND ($entity_id::VARCHAR IS NULL OR entity_id = $entity_id)
    AND ($service_id::VARCHAR IS NULL OR service_id = $service_id)
    AND ($run_id::VARCHAR IS NULL OR conversation_run_id = $run_id)
    AND ($session_id::VARCHAR IS NULL OR session_id = $session_id)
    AND ($dated IS NOT TRUE OR observed_at IS NOT NULL)
    AND ($date_from::TIMESTAMPTZ IS NULL OR observed_at >= $date_from::TIMESTAMPTZ)
    AND ($date_to::TIMESTAMPTZ IS NULL OR observed_at < $date_to::TIMESTAMPTZ)
ORDER BY observed_at DESC NULLS LAST, entity_id, metric_key, participant NULLS FIRST, segment_from NULLS FIRST, sample_index
LIMIT $limit OFFSET $offset;
