-- Conversations that were erased, as keyed hashes of their ids: the same id is refused when its file is read again.
CREATE TABLE tombstones (
    workspace_id VARCHAR NOT NULL,
    id_hash VARCHAR NOT NULL,
    key_check VARCHAR NOT NULL,
    erased_at TIMESTAMPTZ NOT NULL,
    rewritten_at TIMESTAMPTZ
);

-- Which conversation an answer of a model is about.
CREATE TABLE judge_requests (
    workspace_id VARCHAR NOT NULL,
    request_hash VARCHAR NOT NULL,
    conversation_id VARCHAR NOT NULL
);
