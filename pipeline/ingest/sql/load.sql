-- Staged records into the store: new events, duplicates counted, conflicts and other refusals kept.

-- The first of several records with one id is the event; the others are compared with it.
CREATE OR REPLACE TEMP TABLE judged AS
WITH wanted AS (
    SELECT
        *,
        sha256(to_json(struct_pack(
            conversation_id, event_type, occurred_at, sequence, domain, origin, channel, direction, service_id, traffic,
            run_id, session_id, participant, tags, data
        ))::VARCHAR) AS content
    FROM staged
    WHERE reason IS NULL
),
ranked AS (
    SELECT *, row_number() OVER same AS occurrence, first_value(content) OVER same AS first_content
    FROM wanted
    WINDOW same AS (PARTITION BY event_id ORDER BY position)
),
stored AS (
    SELECT
        event_id,
        any_value(sha256(to_json(struct_pack(
            conversation_id, event_type, occurred_at, sequence, domain, origin, channel, direction, service_id, traffic,
            run_id, session_id, participant, tags, data
        ))::VARCHAR)) AS content
    FROM events
    WHERE workspace_id = $workspace_id AND event_id IN (SELECT event_id FROM wanted)
    GROUP BY event_id
)
SELECT
    ranked.* EXCLUDE (reason, detail, content, occurrence, first_content),
    CASE
        WHEN stored.content IS NULL AND occurrence = 1 THEN 'new'
        WHEN ranked.content = coalesce(stored.content, first_content) THEN 'duplicate'
        ELSE 'conflict'
    END AS outcome
FROM ranked LEFT JOIN stored USING (event_id);

CREATE OR REPLACE TEMP TABLE refused AS
SELECT position, file_id, place, reason, detail, record FROM incoming WHERE reason IS NOT NULL
UNION ALL BY NAME
SELECT position, file_id, place, reason, detail, record FROM staged WHERE reason IS NOT NULL
UNION ALL BY NAME
SELECT
    position, file_id, place, 'event_id_conflict' AS reason,
    'event_id ' || event_id || ' is already stored with other content; the stored event stays' AS detail, record
FROM judged
WHERE outcome = 'conflict';

INSERT INTO events BY NAME
SELECT
    $workspace_id AS workspace_id, $ingested_at AS ingested_at,
    judged.* EXCLUDE (position, place, record, outcome, time_reason, other_reason)
FROM judged
WHERE outcome = 'new';

INSERT INTO stale_conversations BY NAME
SELECT DISTINCT $workspace_id AS workspace_id, conversation_id
FROM judged
WHERE outcome = 'new' AND conversation_id IS NOT NULL;

INSERT INTO rejected_records BY NAME
SELECT
    $workspace_id AS workspace_id, refused.file_id, files.url, place, reason, detail, left(record, 2000) AS record,
    $ingested_at AS rejected_at
FROM refused JOIN files USING (file_id)
ORDER BY position;
