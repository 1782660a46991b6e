-- The floor of patterns: how many turns match one expression, in one scan.
SELECT count(*)::BIGINT
FROM (SELECT unnest(turns, max_depth := 2) FROM conversations)
WHERE regexp_matches(text, $expression);
