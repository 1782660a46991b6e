-- Labels are kept in Unicode's NFC from here on, so that é is one label however it was written. Those of before are
-- composed too, and the hours that they stand in are aggregated again, with a revision where a number changes.
INSERT INTO stale_periods BY NAME
SELECT DISTINCT
    workspace_id,
    metric_key,
    definition_version,
    make_timestamptz(floor(epoch_us(observed_at) / 3_600_000_000)::BIGINT * 3_600_000_000) AS hour
FROM metric_values
WHERE observed_at IS NOT NULL
    AND (
        value_text <> nfc_normalize(value_text)
        OR value_list <> list_transform(value_list, lambda label: nfc_normalize(label))
    );

UPDATE metric_values
SET value_text = nfc_normalize(value_text)
WHERE value_text <> nfc_normalize(value_text);

UPDATE metric_values
SET value_list = list_sort(list_distinct(list_transform(value_list, lambda label: nfc_normalize(label))))
WHERE value_list <> list_transform(value_list, lambda label: nfc_normalize(label));
