-- Which of a receiver's secrets is in force; null is the first. The one before it signs too for a day after a rotation.
ALTER TABLE webhooks ADD COLUMN secret_version BIGINT;
ALTER TABLE webhooks ADD COLUMN rotated_at TIMESTAMPTZ;

-- Every attempt to deliver a message, for a month.
CREATE TABLE webhook_deliveries (
    workspace_id VARCHAR NOT NULL,
    webhook_id VARCHAR NOT NULL,
    delivery_id VARCHAR NOT NULL,
    event_type VARCHAR NOT NULL,
    body VARCHAR NOT NULL,
    attempt BIGINT NOT NULL,
    attempted_at TIMESTAMPTZ NOT NULL,
    status_code BIGINT,
    problem VARCHAR
);
