-- Takes `erased` and `erased_events`; leaves no row, quote or id of those conversations, a tombstone for each, and the hours
-- whose periods have to be restated. What is listed in pipeline/erasure/tables.py is what is dealt with here.

INSERT INTO stale_periods BY NAME
SELECT DISTINCT
    $workspace_id AS workspace_id, metric_key, definition_version, time_bucket(INTERVAL 1 HOUR, observed_at) AS hour,
    'erased' AS reason
FROM metric_values
WHERE workspace_id = $workspace_id
  AND entity_type = 'conversation'
  AND entity_id IN (SELECT conversation_id FROM erased)
  AND observed_at IS NOT NULL;

INSERT INTO tombstones BY NAME
SELECT
    $workspace_id AS workspace_id, keyed_hash(conversation_id) AS id_hash, keyed_hash('') AS key_check, $now AS erased_at
FROM erased
WHERE keyed_hash(conversation_id) NOT IN (SELECT id_hash FROM tombstones WHERE workspace_id = $workspace_id);

-- What was erased before and was written again by whoever had begun to is in the files once more.
UPDATE tombstones
SET rewritten_at = NULL
WHERE workspace_id = $workspace_id AND id_hash IN (SELECT keyed_hash(conversation_id) FROM erased);

DELETE FROM metric_values
WHERE workspace_id = $workspace_id
  AND entity_type = 'conversation'
  AND entity_id IN (SELECT conversation_id FROM erased);

DELETE FROM conversations
WHERE workspace_id = $workspace_id AND conversation_id IN (SELECT conversation_id FROM erased);

DELETE FROM stale_conversations
WHERE workspace_id = $workspace_id AND conversation_id IN (SELECT conversation_id FROM erased);

DELETE FROM open_places
WHERE workspace_id = $workspace_id AND conversation_id IN (SELECT conversation_id FROM erased);

DELETE FROM events
WHERE workspace_id = $workspace_id AND conversation_id IN (SELECT conversation_id FROM erased);

DELETE FROM superseded_events
WHERE workspace_id = $workspace_id AND conversation_id IN (SELECT conversation_id FROM erased);

DELETE FROM documents
WHERE workspace_id = $workspace_id
  AND row(source_key, document) IN (SELECT row(source_key, document) FROM erased_events WHERE document IS NOT NULL)
  AND row(source_key, document) NOT IN (
      SELECT row(source_key, document) FROM events WHERE workspace_id = $workspace_id AND document IS NOT NULL
  );

-- An answer that no conversation is known for was left by a crash, or is older than the table that says whose it is.
CREATE OR REPLACE TEMP TABLE emptied AS
SELECT request_hash
FROM judge_requests
WHERE workspace_id = $workspace_id
GROUP BY request_hash
HAVING bool_or(conversation_id IN (SELECT conversation_id FROM erased));

CREATE OR REPLACE TEMP TABLE emptied_answers AS
SELECT *
FROM judge_answers
WHERE workspace_id = $workspace_id
  AND raw <> ''
  AND (
      request_hash IN (SELECT request_hash FROM emptied)
      OR request_hash NOT IN (SELECT request_hash FROM judge_requests WHERE workspace_id = $workspace_id)
  );

DELETE FROM judge_answers
WHERE workspace_id = $workspace_id
  AND raw <> ''
  AND (
      request_hash IN (SELECT request_hash FROM emptied)
      OR request_hash NOT IN (SELECT request_hash FROM judge_requests WHERE workspace_id = $workspace_id)
  );

INSERT INTO judge_answers BY NAME
SELECT * REPLACE ('erased' AS outcome, '' AS raw, 'erased/' || request_hash AS request_hash) FROM emptied_answers;

DELETE FROM judge_requests
WHERE workspace_id = $workspace_id
  AND (
      conversation_id IN (SELECT conversation_id FROM erased)
      OR request_hash IN (SELECT request_hash FROM emptied)
  );

-- A record that was refused says nothing of whose it is: the text of all of a file goes with one of its conversations.
CREATE OR REPLACE TEMP TABLE emptied_records AS
SELECT r.*
FROM rejected_records AS r
WHERE r.workspace_id = $workspace_id
  AND (
      r.file_id IN (SELECT file_id FROM erased_events)
      OR EXISTS (
          SELECT 1
          FROM erased AS e
          WHERE contains(r.record, e.conversation_id) OR contains(r.detail, e.conversation_id)
              OR contains(r.url, e.conversation_id) OR contains(r.place, e.conversation_id)
      )
  );

DELETE FROM rejected_records
WHERE workspace_id = $workspace_id
  AND row(file_id, place, reason) IN (SELECT row(file_id, place, reason) FROM emptied_records);

INSERT INTO rejected_records BY NAME
SELECT
    * REPLACE (
        NULL AS record, 'its text was erased' AS detail,
        if(url IN (SELECT url FROM emptied_records WHERE url IN (
            SELECT r.url FROM emptied_records AS r, erased AS e WHERE contains(r.url, e.conversation_id)
        )), '(erased)', url) AS url,
        if(EXISTS (SELECT 1 FROM erased AS e WHERE contains(place, e.conversation_id)), '(erased)', place) AS place
    )
FROM emptied_records;

CREATE OR REPLACE TEMP TABLE emptied_files AS
SELECT f.*
FROM ingested_files AS f
WHERE f.workspace_id = $workspace_id
  AND EXISTS (SELECT 1 FROM erased AS e WHERE contains(f.url, e.conversation_id) OR contains(f.failure, e.conversation_id));

DELETE FROM ingested_files
WHERE workspace_id = $workspace_id AND file_id IN (SELECT file_id FROM emptied_files);

INSERT INTO ingested_files BY NAME
SELECT * REPLACE ('(erased)' AS url, if(failure IS NULL, NULL, 'erased') AS failure) FROM emptied_files;
