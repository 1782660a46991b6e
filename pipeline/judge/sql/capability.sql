-- How an endpoint wants to be asked, as last learned.
SELECT mode, dropped, tokens_parameter, output_tokens
FROM judge_capabilities
WHERE workspace_id = $workspace_id AND base_url = $base_url AND model = $model AND learned_at > $since
ORDER BY learned_at DESC
LIMIT 1
