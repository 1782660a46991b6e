-- Staged records into the store: new events, duplicates counted, conflicts and other refusals kept.

CREATE OR REPLACE TEMP MACRO content_of(e) AS sha256(to_json({
    'a': e.conversation_id, 'b': e.event_type, 'c': e.occurred_at, 'd': e.sequence, 'e': e.domain, 'f': e.origin,
    'g': e.channel, 'h': e.direction, 'i': e.service_id, 'j': e.traffic, 'k': e.run_id, 'l': e.session_id,
    'm': e.participant, 'n': e.tags, 'o': e.data
})::VARCHAR);

-- Ids of which there is another record, here or in the store. Most records have none and are worth no second look.
CREATE OR REPLACE TEMP TABLE met AS
SELECT event_id FROM staged WHERE reason IS NULL GROUP BY event_id HAVING count(*) > 1
UNION
SELECT event_id
FROM events
WHERE workspace_id = $workspace_id AND event_id IN (SELECT event_id FROM staged WHERE reason IS NULL);

-- The first of several records with one id is the event; the others are compared with it.
CREATE OR REPLACE TEMP TABLE judged AS
WITH stored AS (
    SELECT event_id, any_value(content_of(events)) AS content
    FROM events
    WHERE workspace_id = $workspace_id AND event_id IN (SELECT event_id FROM met)
    GROUP BY event_id
),
compared AS (
    SELECT
        position, file_id, event_id, content_of(staged) AS content, stored.content AS stored_content,
        row_number() OVER (PARTITION BY event_id ORDER BY position) AS occurrence
    FROM staged LEFT JOIN stored USING (event_id)
    WHERE reason IS NULL AND event_id IN (SELECT event_id FROM met)
)
SELECT
    position, file_id, event_id,
    CASE
        WHEN stored_content IS NULL AND occurrence = 1 THEN 'new'
        WHEN content = coalesce(stored_content, first_value(content) OVER (PARTITION BY event_id ORDER BY position))
            THEN 'duplicate'
        ELSE 'conflict'
    END AS outcome
FROM compared;

CREATE OR REPLACE TEMP TABLE refused AS
SELECT position, file_id, reason, detail FROM incoming WHERE reason IS NOT NULL
UNION ALL BY NAME
SELECT position, file_id, reason, detail FROM staged WHERE reason IS NOT NULL
UNION ALL BY NAME
SELECT
    position, file_id, 'event_id_conflict' AS reason,
    'event_id ' || event_id || ' is already stored with other content; the stored event stays' AS detail
FROM judged
WHERE outcome = 'conflict';

INSERT INTO events BY NAME
SELECT
    $workspace_id AS workspace_id, $ingested_at AS ingested_at, * EXCLUDE (position, reason, detail)
FROM staged
WHERE reason IS NULL AND position NOT IN (SELECT position FROM judged WHERE outcome <> 'new');

INSERT INTO stale_conversations BY NAME
SELECT DISTINCT $workspace_id AS workspace_id, conversation_id, $ingested_at AS arrived_at
FROM staged
WHERE reason IS NULL AND conversation_id IS NOT NULL
  AND position NOT IN (SELECT position FROM judged WHERE outcome <> 'new');

INSERT INTO rejected_records BY NAME
SELECT
    $workspace_id AS workspace_id, refused.file_id, files.url, incoming.place, refused.reason, refused.detail,
    left(incoming.record, 2000) AS record, $ingested_at AS rejected_at
FROM refused JOIN incoming USING (position) JOIN files ON files.file_id = refused.file_id
ORDER BY position;
