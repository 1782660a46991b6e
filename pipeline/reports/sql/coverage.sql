-- Hours by definition version (`wanted`): done, failing, and what is missing as intervals.
WITH hours AS (
    SELECT w.metric_key, w.definition_version, h.hour
    FROM wanted AS w
    CROSS JOIN (
        SELECT unnest(generate_series($first::TIMESTAMPTZ, $last::TIMESTAMPTZ - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS hour
    ) AS h
),

known AS (
    SELECT
        hours.*,
        bool_or(r.failure IS NULL) FILTER (r.run_id IS NOT NULL) AS done,
        max(r.started_at) AS last_run_at,
        arg_max(r.failure, r.started_at) AS failure
    FROM hours
    LEFT JOIN extraction_runs AS r
        ON r.workspace_id = $workspace_id
        AND r.metric_key = hours.metric_key
        AND r.definition_version = hours.definition_version
        AND r.window_end = hours.hour + INTERVAL 1 HOUR
    GROUP BY ALL
),

numbered AS (
    SELECT
        *,
        CASE WHEN done THEN 'done' WHEN done IS NULL THEN 'missing' ELSE 'failing' END AS state,
        -- Consecutive hours of one state share the difference between hour and rank.
        epoch(hour) // 3600 - row_number() OVER (PARTITION BY metric_key, state ORDER BY hour) AS island
    FROM known
),

islands AS (
    SELECT metric_key, state, min(hour) AS start, max(hour) + INTERVAL 1 HOUR AS "end"
    FROM numbered
    GROUP BY metric_key, state, island
)

SELECT
    n.metric_key,
    any_value(n.definition_version) AS definition_version,
    count(*) AS hours,
    count(*) FILTER (n.state = 'done') AS done,
    count(*) FILTER (n.state = 'failing') AS failing,
    count(*) FILTER (n.state = 'missing') AS missing,
    max(n.last_run_at) AS last_run_at,
    arg_max(n.failure, n.hour) FILTER (n.state = 'failing') AS last_failure,
    (
        SELECT coalesce(list(struct_pack("start" := i.start, "end" := i."end") ORDER BY i.start), [])
        FROM islands AS i
        WHERE i.metric_key = n.metric_key AND i.state = 'missing'
    ) AS missing_intervals,
    (
        SELECT coalesce(list(struct_pack("start" := i.start, "end" := i."end") ORDER BY i.start), [])
        FROM islands AS i
        WHERE i.metric_key = n.metric_key AND i.state = 'failing'
    ) AS failing_intervals
FROM numbered AS n
GROUP BY n.metric_key
ORDER BY n.metric_key;
