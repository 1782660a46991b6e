-- Where the records of a chunk come together. The order of rows says nothing: `position` does.
SET preserve_insertion_order = false;

CREATE OR REPLACE TEMP TABLE staged (
    position BIGINT, file_id VARCHAR, source_key VARCHAR, event_id VARCHAR, conversation_id VARCHAR, event_type VARCHAR,
    occurred_at TIMESTAMPTZ, sequence BIGINT, domain VARCHAR, origin VARCHAR, channel VARCHAR, direction VARCHAR,
    service_id VARCHAR, traffic VARCHAR, run_id VARCHAR, session_id VARCHAR, participant VARCHAR, tags VARCHAR[],
    data JSON, about BOOLEAN, supersedes VARCHAR, revision BIGINT, inherited VARCHAR[], reason VARCHAR, detail VARCHAR
);

CREATE OR REPLACE TEMP MACRO channel_word(given) AS CASE
    WHEN given IN ('phone', 'call', 'telephony', 'pstn', 'sip', 'webrtc') THEN 'voice'
    WHEN given IN ('chat', 'webchat', 'sms', 'whatsapp', 'messaging') THEN 'text'
    WHEN given = 'form' THEN 'surface'
    ELSE given
END;

CREATE OR REPLACE TEMP MACRO traffic_word(given, direction) AS CASE
    WHEN given IN ('production', 'real', 'live') THEN 'production'
    WHEN given IN ('simulation', 'simulated', 'playground', 'test') THEN 'simulation'
    WHEN given IS NULL THEN if(direction IN ('playground', 'simulated', 'test'), 'simulation', 'production')
END;
