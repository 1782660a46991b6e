CREATE TABLE control.api_keys AS FROM api_keys;

CREATE TABLE control.workspace_access AS FROM workspace_access;

CREATE TABLE control.settings_revisions AS FROM settings_revisions;

CREATE TABLE control.alarms AS FROM alarms;

CREATE TABLE control.alarm_states AS FROM alarm_states;

CREATE TABLE control.webhooks AS FROM webhooks;

CREATE TABLE control.webhook_outbox AS FROM webhook_outbox;

CREATE TABLE control.webhook_deliveries AS
FROM webhook_deliveries
ORDER BY attempted_at DESC
LIMIT 10000;

-- The whole log is in the data's snapshot; the newest entries are what is asked for between two publications.
CREATE TABLE control.audit_log AS
FROM audit_log
ORDER BY happened_at DESC
LIMIT 10000;
