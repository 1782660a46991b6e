-- Every value with its state, those of parts of a conversation too. What quotes a conversation only for who may read it.
SELECT
    * EXCLUDE (whole) REPLACE (
        CASE WHEN $labels::VARCHAR[] IS NULL OR list_contains($labels::VARCHAR[], metric_key || '@' || definition_version) THEN value_text END
            AS value_text,
        CASE WHEN $labels::VARCHAR[] IS NULL OR list_contains($labels::VARCHAR[], metric_key || '@' || definition_version) THEN value_list END
            AS value_list,
        CASE WHEN $transcripts THEN reasoning END AS reasoning,
        CASE WHEN $transcripts THEN evidence END AS evidence,
        CASE WHEN $transcripts THEN error END AS error
    )
FROM values_in_force($workspace_id)
WHERE ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], metric_key))
    AND ($traffic = 'all' OR traffic = $traffic)
    AND ($service_id::VARCHAR IS NULL OR service_id = $service_id)
    AND ($date_from::TIMESTAMPTZ IS NULL OR observed_at >= $date_from::TIMESTAMPTZ)
    AND ($date_to::TIMESTAMPTZ IS NULL OR observed_at < $date_to::TIMESTAMPTZ)
ORDER BY
    metric_key, observed_at NULLS LAST, entity_id, participant NULLS FIRST, segment_from NULLS FIRST, sample_index
