-- What the tables hold that people change; also applied to the file of its own that they are published in.
COMMENT ON TABLE api_keys IS 'Keys of the HTTP API; the secrets themselves are kept nowhere.';
COMMENT ON COLUMN api_keys.workspace_id IS 'UUID of the workspace that the key belongs to.';
COMMENT ON COLUMN api_keys.key_id IS 'The key''s public part.';
COMMENT ON COLUMN api_keys.name IS 'What its owner calls it.';
COMMENT ON COLUMN api_keys.role IS 'viewer, admin or owner.';
COMMENT ON COLUMN api_keys.secret_hash IS 'Digest of the secret.';
COMMENT ON COLUMN api_keys.metrics IS 'Metrics that it may read; null is all.';
COMMENT ON COLUMN api_keys.transcripts IS 'Whether it may read what was said.';
COMMENT ON COLUMN api_keys.requests_per_minute IS 'Its limit; null is that of the server.';
COMMENT ON COLUMN api_keys.created_at IS 'When it was made, UTC.';
COMMENT ON COLUMN api_keys.created_by IS 'Who made it.';
COMMENT ON COLUMN api_keys.expires_at IS 'When it ends, UTC.';
COMMENT ON COLUMN api_keys.revoked_at IS 'When it was revoked, UTC.';
COMMENT ON COLUMN api_keys.last_used_at IS 'When it was last used, UTC, to the hour.';

COMMENT ON TABLE workspace_access IS 'What all keys of a workspace may read at most.';
COMMENT ON COLUMN workspace_access.workspace_id IS 'UUID of the workspace.';
COMMENT ON COLUMN workspace_access.metrics IS 'Metrics that may be read; null is all.';
COMMENT ON COLUMN workspace_access.transcripts IS 'Whether what was said may be read.';
COMMENT ON COLUMN workspace_access.changed_at IS 'When it was set, UTC.';
COMMENT ON COLUMN workspace_access.changed_by IS 'Who set it.';

COMMENT ON TABLE settings_revisions IS 'Changes of the definitions that come over HTTP; the greatest revision is in force.';
COMMENT ON COLUMN settings_revisions.workspace_id IS 'UUID of the workspace.';
COMMENT ON COLUMN settings_revisions.revision IS '1 and up.';
COMMENT ON COLUMN settings_revisions.changed_at IS 'When, UTC.';
COMMENT ON COLUMN settings_revisions.changed_by IS 'Who.';
COMMENT ON COLUMN settings_revisions.action IS 'What was done, as a word.';
COMMENT ON COLUMN settings_revisions.definitions IS 'All custom definitions as they were after the change.';
COMMENT ON COLUMN settings_revisions.overrides IS 'All changes to built-ins as they were after the change.';
COMMENT ON COLUMN settings_revisions.diff IS 'What the change was.';

COMMENT ON TABLE alarms IS 'Rules about a metric''s newest complete period, whose receivers are told when it compares with a number.';
COMMENT ON COLUMN alarms.workspace_id IS 'UUID of the workspace.';
COMMENT ON COLUMN alarms.alarm_id IS 'The alarm.';
COMMENT ON COLUMN alarms.metric_key IS 'The metric''s key.';
COMMENT ON COLUMN alarms.operator IS 'How the period''s value is compared.';
COMMENT ON COLUMN alarms.value IS 'What it is compared with.';
COMMENT ON COLUMN alarms.granularity IS 'hour or day.';
COMMENT ON COLUMN alarms.service_id IS 'One service; null is all of them together.';
COMMENT ON COLUMN alarms.changed_at IS 'When it was set, UTC.';
COMMENT ON COLUMN alarms.changed_by IS 'Who set it.';

COMMENT ON TABLE alarm_states IS 'Changes of alarms; the newest row of an alarm says whether it is raised.';
COMMENT ON COLUMN alarm_states.workspace_id IS 'UUID of the workspace.';
COMMENT ON COLUMN alarm_states.alarm IS 'The alarm: alarm:<alarm_id>, or freshness:<key of a metric>.';
COMMENT ON COLUMN alarm_states.raised IS 'Whether it is raised since then.';
COMMENT ON COLUMN alarm_states.changed_at IS 'When, UTC.';

COMMENT ON TABLE webhooks IS 'Addresses that are told what happens.';
COMMENT ON COLUMN webhooks.workspace_id IS 'UUID of the workspace.';
COMMENT ON COLUMN webhooks.webhook_id IS 'The webhook.';
COMMENT ON COLUMN webhooks.url IS 'Where messages go.';
COMMENT ON COLUMN webhooks.events IS 'What it is told.';
COMMENT ON COLUMN webhooks.created_at IS 'When it was made, UTC.';
COMMENT ON COLUMN webhooks.created_by IS 'Who made it.';

COMMENT ON COLUMN webhooks.secret_version IS 'Which of its secrets signs; null is the first.';
COMMENT ON COLUMN webhooks.rotated_at IS 'When that secret took the place of the one before, which signs too for a day; null: never.';

COMMENT ON TABLE webhook_deliveries IS 'Attempts to deliver messages, for a month.';
COMMENT ON COLUMN webhook_deliveries.workspace_id IS 'UUID of the workspace.';
COMMENT ON COLUMN webhook_deliveries.webhook_id IS 'Whom it was for.';
COMMENT ON COLUMN webhook_deliveries.delivery_id IS 'The message.';
COMMENT ON COLUMN webhook_deliveries.event_type IS 'What happened.';
COMMENT ON COLUMN webhook_deliveries.body IS 'The message.';
COMMENT ON COLUMN webhook_deliveries.attempt IS 'Which try it was, from 1; a test is 0.';
COMMENT ON COLUMN webhook_deliveries.attempted_at IS 'When it was sent, UTC.';
COMMENT ON COLUMN webhook_deliveries.status_code IS 'What the receiver answered; null when it did not.';
COMMENT ON COLUMN webhook_deliveries.problem IS 'Why it counts as not delivered; null: it was.';

COMMENT ON TABLE webhook_outbox IS 'Messages that were not delivered yet.';
COMMENT ON COLUMN webhook_outbox.workspace_id IS 'UUID of the workspace.';
COMMENT ON COLUMN webhook_outbox.delivery_id IS 'The message.';
COMMENT ON COLUMN webhook_outbox.webhook_id IS 'Whom it is for.';
COMMENT ON COLUMN webhook_outbox.event_type IS 'What happened.';
COMMENT ON COLUMN webhook_outbox.body IS 'The message.';
COMMENT ON COLUMN webhook_outbox.created_at IS 'When it was written, UTC.';
COMMENT ON COLUMN webhook_outbox.attempts IS 'How often it was tried.';
COMMENT ON COLUMN webhook_outbox.next_attempt_at IS 'When it is tried next, UTC.';

COMMENT ON TABLE audit_log IS 'Who changed what, and when.';
COMMENT ON COLUMN audit_log.workspace_id IS 'UUID of the workspace.';
COMMENT ON COLUMN audit_log.happened_at IS 'When, UTC.';
COMMENT ON COLUMN audit_log.actor IS 'Who: a key or a person on the command line.';
COMMENT ON COLUMN audit_log.action IS 'What was done, as a word.';
COMMENT ON COLUMN audit_log.subject IS 'What it was done to.';
COMMENT ON COLUMN audit_log.detail IS 'The details.';
