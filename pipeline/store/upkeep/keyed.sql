-- HMAC-SHA256 of a text (RFC 2104). `inner_pad` and `outer_pad` are the key, padded, as variables.
CREATE OR REPLACE TEMP MACRO keyed_hash(text) AS
    sha256(getvariable('outer_pad') || unhex(sha256(getvariable('inner_pad') || encode(text))));
