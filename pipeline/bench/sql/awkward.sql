-- What real files hold besides. For one record of a thousand: another without a zone, another of unknown traffic (both
-- are refused), the same again (a duplicate), and its id with other content (a conflict).
INSERT INTO records
SELECT records.* REPLACE (
    if(kind < 2, 'refused ' || kind || ' ' || position, event_id) AS event_id,
    if(kind = 0, left(occurred_at, 19), occurred_at) AS occurred_at,
    if(kind = 1, 'unheard of', traffic) AS traffic,
    if(kind = 3, json_object('n', position, 'text', 'something else'), data) AS data
)
FROM records, range(4) AS kinds(kind)
WHERE position % 1000 = 7;
