-- The texts of the first conversations, for a competitor in Python.
SELECT text
FROM (SELECT unnest(turns, max_depth := 2) FROM conversations WHERE conversation_id[2:]::BIGINT < $conversations);
