"""Taking conversations out of the store for good, by whatever is known of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.aggregate import aggregate
from pipeline.settings import Settings
from pipeline.store import Store, load_sql, run_script, text_list
from pipeline.store.control import publish_control
from pipeline.store.keyed import hash_key, install_keyed_hash, tombstones_are_ours
from pipeline.workspace import audit
from pipeline.workspace.catalogs import current_catalog

_SQL = "pipeline.erasure.sql"


@dataclass(frozen=True)
class Forgotten:
    """What was erased.

    Attributes:
        conversations: that are refused from now on, stored or not.
        events: that were stored of them.
        values: that were stored about them.
    """

    conversations: int
    events: int
    values: int


def forget_and_publish(
    store: Store,
    settings: Settings,
    *,
    ids: Collection[str] = (),
    participants: Collection[str] = (),
    sessions: Collection[str] = (),
    actor: str,
) -> Forgotten:
    """Erase conversations, restate the numbers they were in, and show readers the store without them.

    Takes what `forget` takes and raises what that raises.
    """
    found = forget(store, settings, ids=ids, participants=participants, sessions=sessions, actor=actor)
    aggregate(store, current_catalog(settings), settings)
    store.publish()
    publish_control(store)
    return found


def forget(
    store: Store,
    settings: Settings,
    *,
    ids: Collection[str] = (),
    participants: Collection[str] = (),
    sessions: Collection[str] = (),
    actor: str,
    now: datetime | None = None,
) -> Forgotten:
    """Erase conversations from every table, in one transaction that nobody else writes beside.

    Their ids stay behind as keyed hashes, so that ingestion refuses them. Hours whose numbers change are stale until
    the next aggregation, with the reason `erased`; the bytes are gone from the files after the next maintenance.

    Args:
        store: the database.
        settings: of the deployment.
        ids: conversations, also those of which nothing is stored yet.
        participants: whose conversations are erased.
        sessions: whose conversations are erased.
        actor: for the audit log, which says how many and never which.
        now: the instant of the erasure.

    Raises:
        SettingsError: there is no key to hash ids with, or another than before.
        StoreUnavailableError: the database cannot be written.
    """
    now = now or datetime.now(UTC)
    key = hash_key(settings, create=True)
    assert key is not None
    parameters: dict[str, object] = {
        "workspace_id": store.workspace_id,
        "ids": text_list(ids),
        "participants": text_list(participants),
        "sessions": text_list(sessions),
        "now": now,
        "reason": "erased",
    }
    with store.transaction() as con:
        tombstones_are_ours(con, store.workspace_id, key)
        install_keyed_hash(con, key)
        run_script(con, load_sql(_SQL, "chosen"), parameters)
        run_script(con, load_sql("pipeline.ingest.sql", "restate"), parameters)
        (found,) = con.execute(
            "SELECT (SELECT count(*) FROM erased), (SELECT count(*) FROM erased_events), "
            "(SELECT count(*) FROM metric_values WHERE workspace_id = $workspace_id AND entity_type = 'conversation' "
            "AND entity_id IN (SELECT conversation_id FROM erased))",
            {"workspace_id": store.workspace_id},
        ).fetchall()
        run_script(con, load_sql(_SQL, "forget"), parameters)
        forgotten = Forgotten(*found)
        detail = {"conversations": forgotten.conversations, "events": forgotten.events, "values": forgotten.values}
        audit.record(con, store.workspace_id, actor, "conversations.forget", None, now, detail)
    return forgotten
