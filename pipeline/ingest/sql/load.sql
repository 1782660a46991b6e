-- Staged records into the store: new events, duplicates counted, conflicts and other refusals kept.

-- All that an event says but its data.
CREATE OR REPLACE TEMP MACRO content_of(e) AS to_json({
    'a': e.conversation_id, 'b': e.event_type, 'c': e.occurred_at, 'd': e.sequence, 'e': e.domain, 'f': e.origin,
    'g': own(e.inherited, 'channel', e.channel), 'h': own(e.inherited, 'direction', e.direction),
    'i': own(e.inherited, 'service_id', e.service_id),
    'j': coalesce(own_traffic(e.inherited, e.traffic), 'production'), 'k': e.run_id,
    'l': own(e.inherited, 'session_id', e.session_id), 'm': e.participant, 'n': own(e.inherited, 'tags', e.tags),
    'o': e.about, 'p': e.supersedes
})::VARCHAR;

-- Ids of which there is another record, here or in the store. Most records have none and are worth no second look.
CREATE OR REPLACE TEMP TABLE met AS
SELECT event_id, false AS is_stored FROM offered GROUP BY event_id HAVING count(*) > 1
UNION ALL
SELECT event_id, true
FROM events
WHERE workspace_id = $workspace_id AND event_id IN (SELECT event_id FROM offered);

-- By itself, so that nothing of the store is read where nothing was met there.
CREATE OR REPLACE TEMP TABLE stored AS
SELECT event_id, any_value({'content': content_of(events), 'data': data::VARCHAR}) AS event
FROM events
WHERE workspace_id = $workspace_id AND event_id IN (SELECT event_id FROM met WHERE is_stored)
GROUP BY event_id;

-- The first of several records with one id is the event; the others are compared with it. The order of keys is no
-- difference, and looked at only where there is one.
CREATE OR REPLACE TEMP TABLE decided AS
WITH given AS (
    SELECT
        position, file_id, event_id, {'content': content_of(offered), 'data': data::VARCHAR} AS record,
        coalesce(stored.event, first_value(record) OVER (PARTITION BY event_id ORDER BY position)) AS event,
        stored.event IS NULL AND row_number() OVER (PARTITION BY event_id ORDER BY position) = 1 AS is_new
    FROM offered LEFT JOIN stored USING (event_id)
    WHERE event_id IN (SELECT event_id FROM met)
)
SELECT
    position, file_id, event_id,
    CASE
        WHEN is_new THEN 'new'
        WHEN record.content <> event.content THEN 'conflict'
        WHEN record.data = event.data THEN 'duplicate'
        WHEN sorted_keys(record.data) = sorted_keys(event.data) THEN 'duplicate'
        ELSE 'conflict'
    END AS outcome
FROM given;

CREATE OR REPLACE TEMP TABLE refused AS
SELECT position, file_id, reason, detail FROM incoming WHERE reason IS NOT NULL
UNION ALL BY NAME
SELECT position, file_id, reason, detail FROM staged WHERE reason IS NOT NULL
UNION ALL BY NAME
SELECT
    position, file_id, 'event_id_conflict' AS reason,
    'event_id ' || event_id || ' is already stored with other content; the stored event stays' AS detail
FROM decided
WHERE outcome = 'conflict';

INSERT INTO events BY NAME
SELECT
    $workspace_id AS workspace_id, $ingested_at AS ingested_at, offered.* EXCLUDE (position, reason, detail), document
FROM offered LEFT JOIN (SELECT position, document FROM documented) USING (position)
WHERE position NOT IN (SELECT position FROM decided WHERE outcome <> 'new');

INSERT INTO stale_conversations BY NAME
SELECT DISTINCT $workspace_id AS workspace_id, conversation_id, $ingested_at AS arrived_at
FROM (
    SELECT conversation_id FROM offered WHERE position NOT IN (SELECT position FROM decided WHERE outcome <> 'new')
    UNION ALL
    SELECT conversation_id FROM gone
)
WHERE conversation_id IS NOT NULL;

INSERT INTO rejected_records BY NAME
SELECT
    $workspace_id AS workspace_id, refused.file_id, files.url, concat(incoming.place, incoming.line) AS place,
    refused.reason, refused.detail,
    if(refused.file_id IN (SELECT file_id FROM withheld), NULL, rtrim(left(incoming.record, 2000), chr(13))) AS record,
    $ingested_at AS rejected_at
FROM refused JOIN incoming USING (position) JOIN files ON files.file_id = refused.file_id
ORDER BY position;
