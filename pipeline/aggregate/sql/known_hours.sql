-- reads: known_periods, spans
-- leaves: hours: hour rows as they stood at an instant, with the spans that each lies in
CREATE OR REPLACE TEMP TABLE hours AS
SELECT spans.*, p.*
FROM known_periods($workspace_id, $version, coalesce($as_known_at::TIMESTAMPTZ, TIMESTAMPTZ 'infinity')) AS p
JOIN spans ON p.period_start >= spans.span_start AND p.period_end <= spans.span_end
WHERE p.granularity = 'hour'
    AND list_contains($keys::VARCHAR[], p.metric_key)
    AND ($traffic = 'all' OR p.traffic = $traffic);
