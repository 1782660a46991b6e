-- The summary rows of one day beside those of the day before, for production traffic of all services.
WITH current_rows AS (
    SELECT p.*, d.body
    FROM metric_periods AS p
    JOIN metric_definitions AS d
        ON d.workspace_id = p.workspace_id
        AND d.key = p.metric_key
        AND d.version = p.definition_version
        AND d.valid_to IS NULL
    WHERE
        p.workspace_id = $workspace_id
        AND p.granularity = 'day'
        AND p.traffic = 'production'
        AND p.service_id IS NULL
        AND p.category IS NULL
        AND p.superseded_at IS NULL
)

SELECT
    c.metric_key,
    coalesce(c.body ->> '$.name', c.metric_key) AS name,
    coalesce(c.body ->> '$.goal', 'neutral') AS goal,
    c.unit,
    c.value,
    c.value_text,
    c.event_count,
    c.eligible_count,
    c.coverage,
    c.interval_low,
    c.interval_high,
    c.interval_method,
    c.body ->> '$.extraction_mode' IN ('ai_classify', 'ai_extract', 'ai_query') AS judged,
    c.aggregation,
    p.value AS previous_value,
    p.interval_low AS previous_low,
    p.interval_high AS previous_high,
    c.unit_count,
    p.unit_count AS previous_unit_count,
    p.interval_method AS previous_method,
    c.period_end,
    p.period_end AS previous_end
FROM current_rows AS c
LEFT JOIN current_rows AS p
    ON p.metric_key = c.metric_key
    AND p.definition_version = c.definition_version
    AND p.period_end = c.period_start
WHERE c.period_start = $day
ORDER BY c.metric_key
