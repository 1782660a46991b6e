-- reads: event_reading
-- leaves: the view event_value: the typed value of each event, or the state that says why it has none
CREATE OR REPLACE TEMP VIEW event_value AS
SELECT
    workspace_id,
    metric_key,
    definition_version,
    event_id,
    event_type,
    conversation_id,
    observed_at,
    ingested_at,
    sequence,
    traffic,
    service_id,
    participant,
    CASE WHEN applies THEN status ELSE 'not_applicable' END AS status,
    CASE WHEN applies THEN value_number END AS value_number,
    CASE WHEN applies THEN value_text END AS value_text,
    CASE WHEN applies THEN value_boolean END AS value_boolean,
    CASE WHEN applies THEN value_list END AS value_list
FROM typed('event_reading');
