-- What an event says itself: `inherited` names the columns whose value it has from its conversation. Events that were
-- stored before that was noted have it null, and production was what was taken where nothing was said.
CREATE OR REPLACE TEMP MACRO own(inherited, name, value) AS if(list_contains(inherited, name), NULL, value);

CREATE OR REPLACE TEMP MACRO own_traffic(inherited, traffic) AS
    if(list_contains(inherited, 'traffic') OR inherited IS NULL AND traffic = 'production', NULL, traffic);
