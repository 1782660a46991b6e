-- The day in the attached database `day`, $ago days earlier. It arrived, and was computed, at $over.
INSERT INTO events BY NAME
SELECT * REPLACE (
    if($ago = 0, event_id, md5(event_id || $ago)) AS event_id,
    if($ago = 0, conversation_id, conversation_id || '-' || $ago) AS conversation_id,
    occurred_at - to_days($ago) AS occurred_at,
    $over::TIMESTAMPTZ AS ingested_at
)
FROM day.events;

INSERT INTO conversations BY NAME
SELECT * REPLACE (
    if($ago = 0, conversation_id, conversation_id || '-' || $ago) AS conversation_id,
    started_at - to_days($ago) AS started_at,
    ended_at - to_days($ago) AS ended_at,
    settled_at - to_days($ago) AS settled_at,
    $over::TIMESTAMPTZ AS first_arrival_at,
    $over::TIMESTAMPTZ AS last_arrival_at
)
FROM day.conversations;

INSERT INTO metric_values BY NAME
SELECT * REPLACE (
    if($ago = 0, entity_id, entity_id || '-' || $ago) AS entity_id,
    observed_at - to_days($ago) AS observed_at,
    $over::TIMESTAMPTZ AS first_arrival_at,
    $over::TIMESTAMPTZ AS computed_at
)
FROM day.metric_values;

INSERT INTO metric_periods BY NAME
SELECT * REPLACE (
    period_start - to_days($ago) AS period_start,
    period_end - to_days($ago) AS period_end,
    $over::TIMESTAMPTZ AS computed_at
)
FROM day.metric_periods;

INSERT INTO extraction_runs BY NAME
SELECT * REPLACE (
    if($ago = 0, run_id, run_id || '-' || $ago) AS run_id,
    window_start - to_days($ago) AS window_start,
    window_end - to_days($ago) AS window_end,
    $over::TIMESTAMPTZ AS arrivals_until,
    $over::TIMESTAMPTZ AS started_at
)
FROM day.extraction_runs;

INSERT INTO ingested_files BY NAME
SELECT * REPLACE (
    if($ago = 0, file_id, file_id || '-' || $ago) AS file_id,
    if($ago = 0, url, url || '-' || $ago) AS url
)
FROM day.ingested_files;

INSERT INTO metric_definitions BY NAME
FROM day.metric_definitions WHERE $ago = 0;

INSERT INTO period_zones BY NAME
FROM day.period_zones WHERE $ago = 0;

INSERT INTO covered_ratios BY NAME
FROM day.covered_ratios WHERE $ago = 0;
