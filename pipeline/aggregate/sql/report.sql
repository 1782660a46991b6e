SELECT
    t.metric_key,
    t.definition_version,
    t.periods,
    count(*) FILTER (c.outcome = 'added') AS added,
    count(*) FILTER (c.outcome = 'changed') AS changed,
    count(*) FILTER (c.outcome = 'unchanged') AS unchanged,
    count(*) FILTER (c.outcome = 'superseded') AS superseded
FROM (SELECT metric_key, definition_version, count(*) AS periods FROM touched GROUP BY ALL) AS t
LEFT JOIN changes AS c USING (metric_key, definition_version)
GROUP BY ALL
ORDER BY ALL;
