-- reads: metric_values
-- leaves: source_values: every value, in no group
CREATE OR REPLACE TEMP VIEW source_values AS
SELECT *, NULL::VARCHAR AS group_key
FROM metric_values;
