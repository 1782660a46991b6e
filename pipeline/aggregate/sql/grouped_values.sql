-- reads: metric_values, grouped, kept_groups; variables traffic, service_id, by_service, keep_all, rest
-- leaves: source_values: the values that are asked for, each in its groups; services are no classes of their own here
CREATE OR REPLACE TEMP VIEW source_values AS
WITH keyed AS (
    SELECT v.*, CASE WHEN getvariable('by_service') THEN v.service_id ELSE g.group_key END AS found_key
    FROM metric_values AS v
    LEFT JOIN grouped AS g
        ON NOT getvariable('by_service') AND g.conversation_id = v.entity_id AND v.entity_type = 'conversation'
    WHERE (getvariable('traffic') = 'all' OR v.traffic = getvariable('traffic'))
        AND (getvariable('service_id') IS NULL OR v.service_id = getvariable('service_id'))
)
SELECT
    keyed.* EXCLUDE (found_key) REPLACE (NULL::VARCHAR AS service_id),
    CASE WHEN found_key IS NULL OR kept OR getvariable('keep_all') THEN found_key ELSE getvariable('rest') END AS group_key
FROM keyed
LEFT JOIN kept_groups ON kept_groups.group_key = found_key;
