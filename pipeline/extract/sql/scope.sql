-- Whether a definition applies to something with this channel, direction and tags. What is unknown is outside.
CREATE OR REPLACE TEMP MACRO in_scope(channel_scope, product_types, channel, direction, tags) AS
    coalesce(
        CASE channel_scope
            WHEN 'all' THEN TRUE
            WHEN 'inbound' THEN direction = 'inbound'
            WHEN 'outbound' THEN direction = 'outbound'
            WHEN 'voice' THEN channel IN ('voice', 'phone', 'call')
            WHEN 'text' THEN
                channel IN ('text', 'chat', 'webchat', 'web', 'messaging', 'sms', 'whatsapp', 'email')
            ELSE channel = channel_scope
        END,
        FALSE
    )
    AND (product_types IS NULL OR coalesce(list_has_any(tags, product_types), FALSE));
