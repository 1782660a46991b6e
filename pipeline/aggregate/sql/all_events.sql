-- reads: event_value
-- leaves: source_events: what every event is worth, in no group
CREATE OR REPLACE TEMP VIEW source_events AS
SELECT *, NULL::VARCHAR AS group_key
FROM event_value;
