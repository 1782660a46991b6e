"""The one list of tables that hold anything of a conversation, and how it leaves each of them."""

from __future__ import annotations

CONVERSATION_TABLES: dict[str, str] = {
    "events": "rows of the conversation",
    "superseded_events": "rows of the conversation",
    "documents": "rows of documents that only its events are part of",
    "conversations": "its row",
    "stale_conversations": "its row",
    "open_places": "rows about it",
    "metric_values": "rows about it, with quotes and reasoning",
    "judge_requests": "rows about it",
    "judge_answers": "the text of answers about it, and of answers of which it is not known what they are about; "
    "the rows stay, as they are the ledger of money",
    "rejected_records": "the text of records of the files that its events came from",
    "ingested_files": "URLs that hold its id",
}
"""By table, what `forget` removes or empties."""

OTHER_TABLES: dict[str, str] = {
    "audit_log": "who did what; never what was said or about whom",
    "webhook_outbox": "numbers of metrics and states of runs",
    "webhook_deliveries": "the same, as they were sent",
    "judge_batches": "hashes of requests",
    "judge_questions": "hashes of requests",
    "idempotent_requests": "hashes of requests; answers to those that make keys or webhooks, or take events: counts",
    "webhooks": "addresses of programs",
    "tombstones": "keyed hashes of ids",
}
"""Tables whose columns look as if they held something of a conversation, and why they hold nothing."""
