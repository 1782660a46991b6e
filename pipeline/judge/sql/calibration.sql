-- How many input tokens an endpoint bills for one that is estimated: in all, and at most but for one answer in twenty.
SELECT
    sum(tokens_in) / sum(tokens_estimated) AS typical,
    quantile_cont(tokens_in / tokens_estimated, 0.95) AS most
FROM (
    SELECT tokens_in, tokens_estimated
    FROM judge_answers
    WHERE workspace_id = $workspace_id AND base_url = $base_url AND model = $model AND received_at > $since
        AND tokens_estimated > 0
    ORDER BY received_at DESC
    LIMIT 1000
)
HAVING count(*) >= 20
