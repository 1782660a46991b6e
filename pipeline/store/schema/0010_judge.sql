-- Every answer that a model returned, usable or not: what was paid for is never paid for again, and this is the ledger of money.
CREATE TABLE judge_answers (
    workspace_id VARCHAR NOT NULL,
    request_hash VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    raw VARCHAR NOT NULL,
    finish_reason VARCHAR,
    model VARCHAR NOT NULL,
    returned_model VARCHAR,
    base_url VARCHAR NOT NULL,
    mode VARCHAR NOT NULL,
    tokens_in BIGINT NOT NULL,
    tokens_cached BIGINT NOT NULL,
    tokens_out BIGINT NOT NULL,
    tokens_reasoning BIGINT NOT NULL,
    cost_usd DOUBLE NOT NULL,
    seconds DOUBLE NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL,
    batch_id VARCHAR
);

-- Money and calls that a running process may still spend; one row for each, gone when it ends, void after expires_at.
CREATE TABLE judge_reservations (
    workspace_id VARCHAR NOT NULL,
    holder VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    calls BIGINT NOT NULL,
    usd DOUBLE NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

-- How an endpoint wants to be asked, learned from what it refused.
CREATE TABLE judge_capabilities (
    workspace_id VARCHAR NOT NULL,
    base_url VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    mode VARCHAR NOT NULL,
    dropped VARCHAR[] NOT NULL,
    tokens_parameter VARCHAR NOT NULL,
    output_tokens BIGINT NOT NULL,
    learned_at TIMESTAMPTZ NOT NULL
);

-- Batch jobs, written before they are submitted: a crash at any point neither loses nor repeats one.
CREATE TABLE judge_batches (
    workspace_id VARCHAR NOT NULL,
    job_id VARCHAR NOT NULL,
    batch_id VARCHAR,
    base_url VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    mode VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    request_hashes VARCHAR[] NOT NULL,
    usd DOUBLE NOT NULL,
    run_id VARCHAR NOT NULL,
    submitted_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    failure VARCHAR
);
