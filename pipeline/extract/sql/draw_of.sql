-- The lot of a conversation, uniform in [0, 1): the same for every metric and run. The prefix makes it independent of
-- whoever samples by the MD5 of the id before us. 53 bits, as many as a DOUBLE holds, so that it is never 1.
CREATE OR REPLACE TEMP MACRO draw_of(conversation_id) AS
    (md5_number_lower('metric-store ' || conversation_id) >> 11) / 9007199254740992.0;
