-- Values below the conversation: each turn's, or one for each participant.
CREATE OR REPLACE TEMP TABLE side AS
SELECT * FROM fold_units('unit', TRUE) WHERE scope = 'participant';

DELETE FROM unit WHERE scope = 'participant';

INSERT INTO unit BY NAME FROM side;

INSERT INTO fresh BY NAME
SELECT
    t.metric_key,
    t.definition_version,
    t.conversation_id AS entity_id,
    b.participant,
    b.segment AS segment_from,
    b.segment AS segment_to,
    0 AS sample_index,
    t.observed_at,
    t.first_arrival_at,
    t.traffic,
    t.service_id,
    b.value_number,
    b.value_text,
    b.value_boolean,
    b.value_list,
    b.status,
    CASE WHEN b.status = 'ok' THEN 1.0 END AS confidence,
    0 AS attempts,
    t.content_hash
FROM todo AS t
JOIN unit AS b USING (metric_key, conversation_id)
WHERE b.scope <> 'conversation';
