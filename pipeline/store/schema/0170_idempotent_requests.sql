-- Requests that must not be done twice: what was asked under which Idempotency-Key, and what was answered. For a day.
CREATE TABLE idempotent_requests (
    workspace_id VARCHAR NOT NULL,
    key_hash VARCHAR NOT NULL,
    request_hash VARCHAR NOT NULL,
    begun_at TIMESTAMPTZ NOT NULL,
    status_code BIGINT,
    salt BLOB,
    answer BLOB
);
