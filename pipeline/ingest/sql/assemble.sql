-- Rebuilds the conversations of one batch from their events. `slice`, `facts` and `provided` are temporary.

CREATE OR REPLACE TEMP MACRO leaves(doc) AS flatten(list_transform(
    json_keys(doc),
    lambda name: CASE json_type(doc, '/' || replace(replace(name, '~', '~0'), '/', '~1'))
        WHEN 'OBJECT' THEN list_transform(
            json_keys(doc, '/' || replace(replace(name, '~', '~0'), '/', '~1')), lambda field: name || '.' || field
        )
        ELSE [name]
    END
));

CREATE OR REPLACE TEMP MACRO number_at(doc, path) AS
    if(json_type(doc, path) IN ('DOUBLE', 'UBIGINT', 'BIGINT'), TRY_CAST(doc ->> path AS DOUBLE), NULL);

-- The latest summary wins as a whole.
CREATE OR REPLACE TEMP TABLE provided AS
SELECT conversation_id, data AS provided
FROM slice
WHERE event_type = 'call_intelligence.row'
QUALIFY row_number() OVER (
    PARTITION BY conversation_id ORDER BY occurred_at DESC NULLS LAST, event_id DESC
) = 1;

CREATE OR REPLACE TEMP TABLE summaries AS
WITH both_sides AS (
    SELECT
        conversation_id,
        json_merge_patch('{}', derived) AS derived,  -- an empty patch target drops nulls
        json_merge_patch('{}', coalesce(provided, '{}')) AS provided
    FROM facts LEFT JOIN provided USING (conversation_id)
),
merged AS (
    SELECT
        conversation_id,
        json_merge_patch(derived, provided) AS merged,
        leaves(provided) AS provided_fields
    FROM both_sides
)
SELECT
    conversation_id,
    json_merge_patch(merged, json_object('provenance', to_json(map_from_entries(list_transform(
        leaves(merged),
        lambda name: {'k': name, 'v': if(list_contains(provided_fields, name), 'provided', 'derived')}
    ))))) AS intelligence
FROM merged;

CREATE OR REPLACE TEMP TABLE talk AS
SELECT
    conversation_id,
    list({
        'index': index, 'role': role, 'participant': participant, 'text': text, 'started_at': occurred_at,
        'ended_at': ended_at, 'event_id': event_id, 'data': data
    } ORDER BY index) AS turns
FROM (
    SELECT
        *,
        row_number() OVER (PARTITION BY conversation_id ORDER BY place) - 1 AS index,
        left(event_type, -5) AS role,
        data ->> '$.text' AS text,
        occurred_at + to_microseconds(CAST(
            if(number_at(data, '$.duration_ms') BETWEEN 0 AND 86400000, number_at(data, '$.duration_ms'), NULL) * 1000
            AS BIGINT
        )) AS ended_at
    FROM slice
    WHERE event_type LIKE '%.turn'
)
GROUP BY conversation_id;

DELETE FROM conversations
WHERE workspace_id = $workspace_id
  AND conversation_id IN (SELECT conversation_id FROM stale_batches WHERE batch = $batch);

INSERT INTO conversations BY NAME
WITH described AS (
    SELECT
        conversation_id,
        max(ingested_at) AS last_arrival_at,
        first(service_id ORDER BY place) FILTER (service_id IS NOT NULL) AS service_id,
        first(run_id ORDER BY place) FILTER (run_id IS NOT NULL) AS run_id,
        first(session_id ORDER BY place) FILTER (session_id IS NOT NULL) AS session_id,
        max(traffic) AS traffic,  -- one event of a simulation makes it a simulation
        list_sort(list_distinct(flatten(list(tags) FILTER (tags IS NOT NULL)))) AS tags,
        sha256(string_agg(
            sha256(to_json(struct_pack(
                event_type, occurred_at, sequence, domain, origin, channel, direction, service_id, traffic, run_id,
                session_id, participant, tags, data
            ))::VARCHAR), '' ORDER BY place
        )) AS content_hash
    FROM slice
    GROUP BY conversation_id
)
SELECT
    $workspace_id AS workspace_id,
    conversation_id,
    started_at,
    ended_at,
    CASE
        WHEN ended_at IS NULL THEN last_arrival_at
        WHEN has_ended THEN ended_at
        ELSE ended_at + to_minutes($settle_minutes)
    END AS settled_at,
    last_arrival_at,
    coalesce(lower(intelligence ->> '$.channel'), channel) AS channel,
    coalesce(lower(intelligence ->> '$.direction'), direction) AS direction,
    service_id,
    tags,
    traffic,
    run_id,
    session_id,
    intelligence ->> '$.completion_reason' AS completion_reason,
    intelligence ->> '$.final_state' AS final_state,
    number_at(intelligence, '$.duration_seconds') AS duration_seconds,
    number_at(intelligence, '$.quality_score') AS quality_score,
    if(json_type(intelligence, '$.operator_summary.escalated') = 'BOOLEAN',
       (intelligence ->> '$.operator_summary.escalated')::BOOLEAN, NULL) AS escalated,
    event_count,
    coalesce(TRY_CAST(number_at(intelligence, '$.conversation_summary.turn_count') AS BIGINT), turn_count) AS turn_count,
    coalesce(TRY_CAST(number_at(intelligence, '$.conversation_summary.agent_turn_count') AS BIGINT), agent_turn_count)
        AS agent_turn_count,
    coalesce(TRY_CAST(number_at(intelligence, '$.conversation_summary.user_turn_count') AS BIGINT), user_turn_count)
        AS user_turn_count,
    coalesce(TRY_CAST(number_at(intelligence, '$.tool_summary.total_calls') AS BIGINT), tool_call_count)
        AS tool_call_count,
    coalesce(TRY_CAST(number_at(intelligence, '$.tool_summary.failed') AS BIGINT), tool_failure_count)
        AS tool_failure_count,
    coalesce(turns, []) AS turns,
    intelligence,
    content_hash
FROM facts
JOIN described USING (conversation_id)
JOIN summaries USING (conversation_id)
LEFT JOIN talk USING (conversation_id);

DELETE FROM stale_conversations
WHERE workspace_id = $workspace_id
  AND conversation_id IN (SELECT conversation_id FROM stale_batches WHERE batch = $batch);
