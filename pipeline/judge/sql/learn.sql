-- Remember how an endpoint wants to be asked.
DELETE FROM judge_capabilities
WHERE workspace_id = $workspace_id AND base_url = $base_url AND model = $model;
INSERT INTO judge_capabilities BY NAME
SELECT $workspace_id AS workspace_id, $base_url AS base_url, $model AS model, $mode AS mode,
    $dropped::VARCHAR[] AS dropped, $tokens_parameter AS tokens_parameter, $output_tokens::BIGINT AS output_tokens,
    $learned_at::TIMESTAMPTZ AS learned_at;
