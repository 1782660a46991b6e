-- Whether a person took over: `handover`, for conversations with an escalation, a transfer or an operator.

CREATE OR REPLACE TEMP TABLE handover AS
WITH steps AS (
    SELECT
        conversation_id, place, event_type, occurred_at,
        event_type = 'call.escalated' OR starts_with(event_type, 'escalation.') AS is_escalation,
        starts_with(event_type, 'transfer.') AS is_transfer,
        CASE
            WHEN event_type = 'transfer.completed' OR (data -> '$.operator_active')::VARCHAR = 'true' THEN true
            WHEN event_type = 'transfer.failed' OR (data -> '$.operator_active')::VARCHAR = 'false' THEN false
        END AS operator_active,
        data ->> '$.trigger' AS trigger,
        data ->> '$.reason' AS reason
    FROM slice
    WHERE is_escalation OR is_transfer
),
counted AS (
    SELECT
        conversation_id,
        count(*) FILTER (is_escalation) > 0 AS has_escalation,
        count(*) FILTER (event_type = 'transfer.requested') AS requests,
        count(*) FILTER (event_type = 'transfer.completed') AS successes,
        count(*) FILTER (event_type = 'transfer.failed') AS failures,
        count(*) FILTER (is_transfer) > 0 AS has_transfer,
        last(operator_active ORDER BY place) FILTER (operator_active IS NOT NULL) AS operator_active,
        last(trigger ORDER BY place) FILTER (trigger IS NOT NULL) AS trigger,
        last(reason ORDER BY place) FILTER (reason IS NOT NULL) AS reason_of_handover,
        min(place) AS place,
        min(occurred_at) AS escalated_at
    FROM steps
    GROUP BY conversation_id
),
operators AS (
    SELECT s.conversation_id, min(s.instant_us) FILTER (s.instant_us >= epoch_us(escalated_at)) AS operator_us
    FROM said AS s LEFT JOIN counted USING (conversation_id)
    WHERE speaker = 'operator'
    GROUP BY s.conversation_id
)
SELECT
    *,
    (operator_us - epoch_us(escalated_at)) / 1e6 AS operator_wait_seconds
FROM counted FULL JOIN (SELECT *, true AS has_operator FROM operators) USING (conversation_id);
