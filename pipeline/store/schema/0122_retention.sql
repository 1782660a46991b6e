-- Until when facts of each kind have expired; the newest row of a kind is in force.
CREATE TABLE expirations (
    workspace_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    expired_at TIMESTAMPTZ NOT NULL,
    rewritten_at TIMESTAMPTZ
);

ALTER TABLE conversations ADD COLUMN expired_at TIMESTAMPTZ;
