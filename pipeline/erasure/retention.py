"""How long each kind of fact is kept: what is older goes in the daily maintenance, and the numbers stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.settings import Settings
from pipeline.store import Store, load_sql, run_script

_KINDS = ("text", "events", "values", "answers")


def maintain(store: Store, settings: Settings, now: datetime | None = None) -> int:
    """Let expire what is older than its kind is kept, then tidy the store up.

    Args:
        store: the database.
        settings: `retention` says for how many days.
        now: default the present instant.

    Returns:
        The size of the data in bytes.

    Raises:
        StoreUnavailableError: the database cannot be written.
    """
    expire(store, settings, now)
    return store.maintain()


def expire(store: Store, settings: Settings, now: datetime | None = None) -> None:
    """Remove words, events, values and answers of days that are longer ago than they are kept.

    Whole days of the workspace's zone expire, so that no period row rests on a part of what it rested on. Nothing is
    looked at where nothing new has expired.

    Args:
        store: the database.
        settings: `retention` and `timezone`.
        now: default the present instant.

    Raises:
        StoreUnavailableError: the database cannot be written.
    """
    now = now or datetime.now(UTC)
    until = {kind: _until(settings, kind, now) for kind in _KINDS}
    if not any(until.values()):
        return
    with store.transaction() as con:
        before = dict(
            con.execute(
                "SELECT kind, max(until) FROM expirations WHERE workspace_id = ? GROUP BY kind", [store.workspace_id]
            ).fetchall()
        )
        if all(day is None or (kind in before and before[kind] >= day) for kind, day in until.items()):
            return
        parameters: dict[str, object] = {
            "workspace_id": store.workspace_id,
            "now": now,
            "text_before": before.get("text"),
            **{f"{kind}_until": day for kind, day in until.items()},
        }
        run_script(con, load_sql("pipeline.erasure.sql", "expire"), parameters)


def _until(settings: Settings, kind: str, now: datetime) -> datetime | None:
    days: int | None = getattr(settings.retention, f"{kind}_days")
    if days is None:
        return None
    local = now.astimezone(settings.zone) - timedelta(days=days)
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
