-- Which deliveries of documents count, and what gives way to them. A document is (source, kind, id); a canonical record with
-- a `revision` is a document of its own, known by its id. Leaves `aside`: the records that say nothing new or nothing that
-- counts; `offered`: the others; and `gone`: the stored events that give way.

CREATE OR REPLACE TEMP TABLE documented AS
SELECT
    position, staged.file_id, staged.source_key, staged.event_id,
    coalesce(incoming.document, 'event:' || staged.event_id) AS document,
    coalesce(incoming.version, staged.revision) AS version,
    coalesce(incoming.delivery, -1 - position) AS delivery,
    sha256(incoming.record) AS digest
FROM staged JOIN incoming USING (position)
WHERE staged.reason IS NULL AND (incoming.document IS NOT NULL OR staged.revision IS NOT NULL);

CREATE OR REPLACE TEMP TABLE known_documents AS
SELECT source_key, document, version, content_hash, arrived_at, stored_at, superseded_at IS NULL AS is_current
FROM documents
WHERE workspace_id = $workspace_id AND document IN (SELECT document FROM documented);

-- A delivery repeats an earlier one that said the same; one that has a version only if it is no newer for that. Of the
-- others and the one in force, the greatest version counts, and of equals the last to arrive.
CREATE OR REPLACE TEMP TABLE deliveries AS
WITH grouped AS (
    SELECT
        source_key, document, file_id, delivery, max(version) AS version, min(position) AS first_position,
        sha256(string_agg(digest, '' ORDER BY position)) AS content_hash
    FROM documented
    GROUP BY source_key, document, file_id, delivery
),
compared AS (
    SELECT
        *,
        max(coalesce(version, '-infinity'::DOUBLE)) OVER (
            PARTITION BY source_key, document, content_hash ORDER BY arrived_at NULLS LAST, first_position
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS said_at,
        first_position IS NOT NULL AND said_at IS NOT NULL AND (version IS NULL OR version <= said_at) AS repeats
    FROM (
        SELECT source_key, document, version, content_hash, arrived_at, stored_at, is_current FROM known_documents
        UNION ALL BY NAME
        FROM grouped
    )
),
ranked AS (
    SELECT
        *,
        NOT repeats AND coalesce(is_current, true)
            AND row_number() OVER (
                PARTITION BY source_key, document
                ORDER BY
                    NOT repeats AND coalesce(is_current, true) DESC, version DESC NULLS LAST,
                    first_position DESC NULLS LAST
            ) = 1 AS counts,
        any_value(content_hash) FILTER (is_current) OVER (PARTITION BY source_key, document) AS current_hash,
        any_value(stored_at) FILTER (is_current) OVER (PARTITION BY source_key, document) AS current_stored_at
    FROM compared
)
SELECT
    source_key, document, file_id, delivery, version, content_hash, current_stored_at,
    CASE
        WHEN repeats THEN 'repeat'
        WHEN NOT counts THEN 'history'
        WHEN content_hash = current_hash THEN 'renewed'
        ELSE 'current'
    END AS outcome
FROM ranked
WHERE first_position IS NOT NULL;

-- What a stored or a delivered event says that it supersedes gives way, whichever of the two arrives first.
CREATE OR REPLACE TEMP TABLE aside AS
WITH overruled AS (
    SELECT supersedes AS event_id, event_id AS by_id FROM staged WHERE reason IS NULL AND supersedes IS NOT NULL
    UNION ALL
    SELECT supersedes, event_id FROM events WHERE workspace_id = $workspace_id AND supersedes IS NOT NULL
    UNION ALL
    SELECT supersedes, event_id FROM superseded_events WHERE workspace_id = $workspace_id AND supersedes IS NOT NULL
)
SELECT position, if(outcome IN ('repeat', 'renewed'), 'duplicate', 'history') AS outcome
FROM documented JOIN deliveries USING (source_key, document, file_id, delivery)
WHERE outcome <> 'current'
UNION ALL
SELECT position, 'history'
FROM staged
WHERE reason IS NULL
  AND event_id IN (SELECT event_id FROM overruled WHERE by_id <> event_id)
  AND event_id NOT IN (SELECT event_id FROM superseded_events WHERE workspace_id = $workspace_id)
  AND position NOT IN (
      SELECT position FROM documented JOIN deliveries USING (source_key, document, file_id, delivery) WHERE outcome <> 'current'
  )
UNION ALL
SELECT position, 'duplicate'
FROM staged
WHERE reason IS NULL
  AND event_id IN (SELECT event_id FROM overruled WHERE by_id <> event_id)
  AND event_id IN (SELECT event_id FROM superseded_events WHERE workspace_id = $workspace_id)
  AND position NOT IN (
      SELECT position FROM documented JOIN deliveries USING (source_key, document, file_id, delivery) WHERE outcome <> 'current'
  );

CREATE OR REPLACE TEMP VIEW offered AS
FROM staged WHERE reason IS NULL AND position NOT IN (SELECT position FROM aside);

SET VARIABLE replaced_since = (
    SELECT min(current_stored_at) FROM deliveries WHERE outcome = 'current'
);

-- By itself, so that nothing of the store is read where no id can be met there.
CREATE OR REPLACE TEMP TABLE giving_way AS
SELECT supersedes AS event_id, NULL::VARCHAR AS source_key
FROM staged
WHERE reason IS NULL AND supersedes IS NOT NULL AND supersedes <> event_id
UNION ALL
-- Stored before its source said what its documents are, or without a revision.
SELECT documented.event_id, documented.source_key
FROM documented JOIN deliveries USING (source_key, document, file_id, delivery)
WHERE outcome = 'current' AND current_stored_at IS NULL;

CREATE OR REPLACE TEMP TABLE gone AS
SELECT events.* EXCLUDE (workspace_id)
FROM events SEMI JOIN (FROM deliveries WHERE outcome = 'current') USING (source_key, document)
WHERE workspace_id = $workspace_id AND ingested_at >= getvariable('replaced_since')
UNION
SELECT events.* EXCLUDE (workspace_id)
FROM events JOIN giving_way ON giving_way.event_id = events.event_id
WHERE workspace_id = $workspace_id
  AND events.event_id IN (SELECT event_id FROM giving_way)
  AND (giving_way.source_key IS NULL OR giving_way.source_key = events.source_key AND events.document IS NULL);

SET VARIABLE gone_since = (SELECT min(ingested_at) FROM gone);

INSERT INTO superseded_events BY NAME
SELECT $workspace_id AS workspace_id, *, $ingested_at AS superseded_at FROM gone;

DELETE FROM events
WHERE workspace_id = $workspace_id
  AND ingested_at >= getvariable('gone_since')
  AND event_id IN (SELECT event_id FROM gone);

INSERT INTO superseded_events BY NAME
SELECT
    $workspace_id AS workspace_id, $ingested_at AS ingested_at, staged.* EXCLUDE (position, reason, detail), document,
    $ingested_at AS superseded_at
FROM staged
JOIN (FROM aside WHERE outcome = 'history') USING (position)
LEFT JOIN (SELECT position, document FROM documented) USING (position);

UPDATE documents
SET superseded_at = $ingested_at
WHERE workspace_id = $workspace_id
  AND superseded_at IS NULL
  AND row(source_key, document) IN (
      SELECT row(source_key, document) FROM deliveries WHERE outcome IN ('current', 'renewed')
  );

INSERT INTO documents BY NAME
SELECT
    $workspace_id AS workspace_id, source_key, document, version, content_hash, $ingested_at AS arrived_at,
    if(outcome = 'renewed', current_stored_at, $ingested_at) AS stored_at,
    if(outcome = 'history', $ingested_at, NULL) AS superseded_at
FROM deliveries
WHERE outcome <> 'repeat';

CREATE OR REPLACE TEMP TABLE changed_events AS
SELECT DISTINCT event_type, occurred_at FROM gone WHERE occurred_at IS NOT NULL;
