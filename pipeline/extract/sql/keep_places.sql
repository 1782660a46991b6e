-- What the plan decided about samples, kept in the transaction that stores the values which it led to.
-- A definition that could not be extracted chose nothing.
DELETE FROM sample_thresholds AS t
USING raised AS r, definition AS d
WHERE t.workspace_id = $workspace_id
    AND t.hour >= getvariable('strata_since')
    AND d.metric_key = r.metric_key
    AND NOT list_contains(string_split($failed, ','), r.metric_key)
    AND t.metric_key = r.metric_key
    AND t.definition_version = d.definition_version
    AND t.traffic = r.traffic
    AND t.hour = r.hour;

INSERT INTO sample_thresholds BY NAME
SELECT
    $workspace_id AS workspace_id, r.metric_key, d.definition_version, r.traffic, r.hour, r.threshold, c.seen_since
FROM raised AS r
JOIN definition AS d USING (metric_key)
JOIN coverage AS c USING (metric_key, traffic, hour)
WHERE NOT list_contains(string_split($failed, ','), r.metric_key);

INSERT INTO partition_places BY NAME
SELECT
    $workspace_id AS workspace_id, w.metric_key, w.definition_version, $window_end AS window_end, $run_id AS run_id,
    count(*) AS places
FROM work AS w
WHERE w.state IS NULL AND w.place IS NOT NULL AND NOT w.begun
    AND NOT list_contains(string_split($failed, ','), w.metric_key)
GROUP BY w.metric_key, w.definition_version;

-- What is not stored with the plan is asked about now; its place is open until it has a state.
INSERT INTO open_places BY NAME
SELECT $workspace_id AS workspace_id, w.metric_key, w.definition_version, w.conversation_id, w.content_hash
FROM work AS w
ANTI JOIN fresh AS f ON f.metric_key = w.metric_key AND f.entity_id = w.conversation_id
WHERE w.state IS NULL AND w.place IS NOT NULL AND NOT w.begun
    AND NOT list_contains(string_split($failed, ','), w.metric_key);

DELETE FROM open_places AS p
USING work AS w
WHERE p.workspace_id = $workspace_id
    AND w.reused
    AND p.metric_key = w.metric_key
    AND p.definition_version = w.definition_version
    AND p.conversation_id = w.conversation_id;
