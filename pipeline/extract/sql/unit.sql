-- The typed readings of the batch.
CREATE OR REPLACE TEMP TABLE unit AS
SELECT
    metric_key, conversation_id, participant, segment, position, place, metric_type, scope, fold,
    value_number, value_text, value_boolean, value_list,
    coalesce(state, status) AS status
FROM typed('element');
