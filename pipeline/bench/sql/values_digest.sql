-- One text that says what the values are, but not who computed them and when.
SELECT count(*)::BIGINT AS values, md5(string_agg(row, ';' ORDER BY row)) AS digest
FROM (
    SELECT concat_ws('|', metric_key, entity_id, status, value_number, confidence, attempts, content_hash) AS row
    FROM metric_values
);
