-- What is older than its kind is kept: takes `text_until`, `events_until`, `values_until` and `answers_until`, each null where
-- that kind is kept for ever. Period rows stay as they are. A conversation that has lost something has `expired_at`: no run
-- looks at it again, and nothing more of it is taken in.

CREATE OR REPLACE TEMP MACRO place_of(name) AS '/' || replace(replace(name, '~', '~0'), '/', '~1');

-- Of an object: numbers, truth values, what names a kind of thing, and what was counted. Words go.
CREATE OR REPLACE TEMP MACRO without_words(doc) AS CAST('{' || array_to_string(list_transform(
    list_filter(json_keys(doc), lambda name:
        json_type(doc, place_of(name)) NOT IN ('VARCHAR', 'OBJECT', 'ARRAY')
        OR name LIKE '%\_summary' ESCAPE '\' OR name IN (
            'name', 'call_id', 'state', 'from', 'to', 'reason', 'completion_reason', 'final_state', 'channel', 'direction',
            'sentiment_label', 'emotion_label', 'dominant', 'model', 'severity', 'provenance', 'quality_breakdown',
            'derived_fields'
        )
    ),
    lambda name: to_json(name)::VARCHAR || ':' || json_extract(doc, place_of(name))::VARCHAR
), ',') || '}' AS JSON);

CREATE OR REPLACE TEMP TABLE expiring AS
SELECT conversation_id, first_arrival_at, coalesce(started_at, first_arrival_at) AS began_at
FROM conversations
WHERE workspace_id = $workspace_id
  AND coalesce(started_at, first_arrival_at) < greatest($text_until::TIMESTAMPTZ, $events_until::TIMESTAMPTZ, $values_until::TIMESTAMPTZ);

-- Only what still has something to lose.
CREATE OR REPLACE TEMP TABLE wordless AS
SELECT conversation_id
FROM expiring
WHERE began_at < $text_until
  AND conversation_id NOT IN (
      SELECT conversation_id FROM conversations
      WHERE workspace_id = $workspace_id AND expired_at IS NOT NULL
        AND coalesce(started_at, first_arrival_at) < $text_before::TIMESTAMPTZ
  );

CREATE OR REPLACE TEMP TABLE wordless_events AS
SELECT * REPLACE (without_words(data) AS data)
FROM events
WHERE workspace_id = $workspace_id AND conversation_id IN (SELECT conversation_id FROM wordless);

DELETE FROM events
WHERE workspace_id = $workspace_id AND conversation_id IN (SELECT conversation_id FROM wordless);

INSERT INTO events BY NAME FROM wordless_events;

DELETE FROM superseded_events
WHERE workspace_id = $workspace_id AND conversation_id IN (SELECT conversation_id FROM wordless);

CREATE OR REPLACE TEMP TABLE wordless_values AS
SELECT * REPLACE (NULL AS reasoning, NULL AS evidence)
FROM metric_values
WHERE workspace_id = $workspace_id
  AND entity_type = 'conversation'
  AND entity_id IN (SELECT conversation_id FROM wordless)
  AND (reasoning IS NOT NULL OR evidence IS NOT NULL);

DELETE FROM metric_values
WHERE workspace_id = $workspace_id
  AND entity_type = 'conversation'
  AND entity_id IN (SELECT conversation_id FROM wordless)
  AND (reasoning IS NOT NULL OR evidence IS NOT NULL);

INSERT INTO metric_values BY NAME FROM wordless_values;

CREATE OR REPLACE TEMP TABLE wordless_records AS
SELECT * REPLACE (NULL AS record)
FROM rejected_records
WHERE workspace_id = $workspace_id AND rejected_at < $text_until AND record IS NOT NULL;

DELETE FROM rejected_records
WHERE workspace_id = $workspace_id AND rejected_at < $text_until AND record IS NOT NULL;

INSERT INTO rejected_records BY NAME FROM wordless_records;

-- Events, with those of no conversation.
DELETE FROM documents
WHERE workspace_id = $workspace_id
  AND row(source_key, document) IN (
      SELECT row(source_key, document)
      FROM events
      WHERE workspace_id = $workspace_id
        AND document IS NOT NULL
        AND conversation_id IN (SELECT conversation_id FROM expiring WHERE began_at < $events_until)
  );

DELETE FROM events
WHERE workspace_id = $workspace_id
  AND (
      conversation_id IN (SELECT conversation_id FROM expiring WHERE began_at < $events_until)
      OR conversation_id IS NULL AND coalesce(occurred_at, ingested_at) < $events_until
  );

DELETE FROM superseded_events
WHERE workspace_id = $workspace_id
  AND (
      conversation_id IN (SELECT conversation_id FROM expiring WHERE began_at < $events_until)
      OR conversation_id IS NULL AND coalesce(occurred_at, ingested_at) < $events_until
  );

DELETE FROM metric_values
WHERE workspace_id = $workspace_id
  AND entity_type = 'conversation'
  AND entity_id IN (SELECT conversation_id FROM expiring WHERE began_at < $values_until);

-- The conversations themselves: without words, and without turns where the events are gone.
CREATE OR REPLACE TEMP TABLE closed AS
SELECT
    * REPLACE (
        if(conversation_id IN (SELECT conversation_id FROM expiring WHERE began_at < $events_until), [], list_transform(
            turns, lambda t: struct_pack(
                index := t.index, role := t.role, participant := t.participant, text := NULL::VARCHAR,
                started_at := t.started_at, ended_at := t.ended_at, event_id := t.event_id,
                data := without_words(t.data)
            )
        )) AS turns,
        without_words(intelligence) AS intelligence,
        $now AS expired_at
    )
FROM conversations
WHERE workspace_id = $workspace_id
  AND (
      conversation_id IN (SELECT conversation_id FROM wordless)
      OR conversation_id IN (SELECT conversation_id FROM expiring WHERE began_at < $events_until) AND len(turns) > 0
  );

CREATE OR REPLACE TEMP TABLE valueless AS
SELECT * REPLACE ($now AS expired_at)
FROM conversations
WHERE workspace_id = $workspace_id
  AND expired_at IS NULL
  AND conversation_id IN (SELECT conversation_id FROM expiring WHERE began_at < greatest($events_until::TIMESTAMPTZ, $values_until::TIMESTAMPTZ))
  AND conversation_id NOT IN (SELECT conversation_id FROM closed);

DELETE FROM conversations
WHERE workspace_id = $workspace_id
  AND conversation_id IN (SELECT conversation_id FROM closed UNION ALL SELECT conversation_id FROM valueless);

INSERT INTO conversations BY NAME FROM closed;

INSERT INTO conversations BY NAME FROM valueless;

-- The ledger of money keeps the rows of answers.
CREATE OR REPLACE TEMP TABLE expired_answers AS
SELECT * REPLACE ('erased' AS outcome, '' AS raw, 'erased/' || request_hash AS request_hash)
FROM judge_answers
WHERE workspace_id = $workspace_id AND received_at < $answers_until AND raw <> '';

DELETE FROM judge_answers
WHERE workspace_id = $workspace_id AND received_at < $answers_until AND raw <> '';

INSERT INTO judge_answers BY NAME FROM expired_answers;

INSERT INTO expirations BY NAME
SELECT $workspace_id AS workspace_id, kind, until, $now AS expired_at
FROM (VALUES
    ('text', $text_until::TIMESTAMPTZ), ('events', $events_until::TIMESTAMPTZ),
    ('values', $values_until::TIMESTAMPTZ), ('answers', $answers_until::TIMESTAMPTZ)
) AS given (kind, until)
WHERE until IS NOT NULL
  AND until > (
      SELECT coalesce(max(e.until), TIMESTAMPTZ '-infinity')
      FROM expirations AS e
      WHERE e.workspace_id = $workspace_id AND e.kind = given.kind
  );
