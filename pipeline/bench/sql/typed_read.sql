-- The floor of ingestion: DuckDB's own reader into the columns of `events`; fails on the first bad record.
INSERT INTO events BY NAME
SELECT
    $workspace_id AS workspace_id, event_id, conversation_id, event_type, occurred_at, sequence,
    $first::TIMESTAMPTZ AS ingested_at, channel, direction, service_id, traffic, origin, data,
    'canonical' AS source_key, 'file' AS file_id
FROM read_ndjson($path, columns = {
    event_id: 'VARCHAR', conversation_id: 'VARCHAR', event_type: 'VARCHAR', occurred_at: 'TIMESTAMPTZ',
    sequence: 'BIGINT', channel: 'VARCHAR', direction: 'VARCHAR', service_id: 'VARCHAR', traffic: 'VARCHAR',
    origin: 'VARCHAR', data: 'JSON'
});
