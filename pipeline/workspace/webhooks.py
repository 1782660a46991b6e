"""Messages to other programs: written into an outbox, signed, sent at least once.

Signatures follow the Standard Webhooks specification (standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
`webhook-signature: v1,<base64 of HMAC-SHA256 over "id.timestamp.body">`; the receiver drops what is old or repeated.
After a rotation both secrets sign for a day, the new one first.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import duckdb
import orjson

from pipeline.errors import NotFoundError
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.control import control_transaction
from pipeline.store.snapshot import SnapshotReader
from pipeline.workspace import audit
from pipeline.workspace.outgoing import Message, Outcome, check_url, send_all

Event = Literal["run.finished", "alarm.raised", "alarm.recovered", "freshness.missed", "freshness.recovered"]
EVENTS: tuple[Event, ...] = get_args(Event)
DeprecatedEvent = Literal["threshold.crossed", "threshold.recovered"]
_FORMER: dict[Event, DeprecatedEvent] = {
    "alarm.raised": "threshold.crossed",
    "alarm.recovered": "threshold.recovered",
}
"""What an event was called before; a receiver that asked for the old name gets messages as they were then."""
_FORMER_FIELDS = {"alarm_id": "threshold_id", "limit": "threshold"}
TEST = "webhook.test"

_WAITS = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 300, 1800, 7200, 21600, 43200))
_OF_ONE_RECEIVER = 20
_OVERLAP = timedelta(days=1)
_KEPT = timedelta(days=30)


@dataclass(frozen=True)
class Webhook:
    """Where messages go.

    Attributes:
        secret_version: which of its secrets signs, from 1.
        rotated_at: when that secret took the place of the one before; None: never.
    """

    webhook_id: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    created_by: str
    secret_version: int = 1
    rotated_at: datetime | None = None


def create_webhook(
    settings: Settings,
    store: Store,
    workspace_id: str,
    url: str,
    events: Sequence[Event | DeprecatedEvent],
    *,
    actor: str,
    now: datetime,
) -> tuple[Webhook, str]:
    """Add a receiver.

    Returns:
        It, and the secret with which its messages are signed, which is derived and stored nowhere.

    Raises:
        UserError: the URL is none that may be called.
    """
    check_url(url, settings.serve.webhook_hosts)
    webhook = Webhook(secrets.token_hex(8), url, tuple(sorted(set(events))), now, actor)
    with control_transaction(store) as con:
        _write(con, workspace_id, webhook)
        audit.record(con, workspace_id, actor, "webhook.create", webhook.webhook_id, now, {"events": webhook.events})
    return webhook, _shown_secret(settings, webhook)


def change_webhook(
    settings: Settings,
    store: Store,
    workspace_id: str,
    webhook_id: str,
    *,
    url: str | None = None,
    events: Sequence[Event | DeprecatedEvent] | None = None,
    actor: str,
    now: datetime,
) -> Webhook:
    """Change where messages go, or which; its secret stays, and what waits is sent to the new address.

    Raises:
        NotFoundError: there is none with this id.
        UserError: the URL is none that may be called.
    """
    if url is not None:
        check_url(url, settings.serve.webhook_hosts)
    with control_transaction(store) as con:
        before = find_webhook(con, workspace_id, webhook_id)
        after = replace(
            before, url=url or before.url, events=before.events if events is None else tuple(sorted(set(events)))
        )
        _write(con, workspace_id, after)
        audit.record(con, workspace_id, actor, "webhook.change", webhook_id, now, {"events": after.events})
    return after


def rotate_secret(
    settings: Settings, store: Store, workspace_id: str, webhook_id: str, *, actor: str, now: datetime
) -> tuple[Webhook, str]:
    """Give a receiver a new secret; the one before signs too for a day.

    Raises:
        NotFoundError: there is none with this id.
    """
    with control_transaction(store) as con:
        before = find_webhook(con, workspace_id, webhook_id)
        after = replace(before, secret_version=before.secret_version + 1, rotated_at=now)
        _write(con, workspace_id, after)
        audit.record(con, workspace_id, actor, "webhook.rotate", webhook_id, now)
    return after, _shown_secret(settings, after)


def delete_webhook(store: Store, workspace_id: str, webhook_id: str, *, actor: str, now: datetime) -> None:
    """Remove a receiver and what waits for it.

    Raises:
        NotFoundError: there is none with this id.
    """
    with control_transaction(store) as con:
        find_webhook(con, workspace_id, webhook_id)
        for table in ("webhooks", "webhook_outbox", "webhook_deliveries"):
            con.execute(
                f"DELETE FROM {table} WHERE workspace_id = ? AND webhook_id = ?",  # noqa: S608 - names from above
                [workspace_id, webhook_id],
            )
        audit.record(con, workspace_id, actor, "webhook.delete", webhook_id, now)


def read_webhooks(con: duckdb.DuckDBPyConnection, workspace_id: str) -> list[Webhook]:
    """All receivers of a workspace, oldest first."""
    rows = con.execute(
        "SELECT webhook_id, url, events, created_at, created_by, coalesce(secret_version, 1), rotated_at "
        "FROM webhooks WHERE workspace_id = ? ORDER BY created_at, webhook_id",
        [workspace_id],
    ).fetchall()
    return [Webhook(identifier, url, tuple(events), *rest) for identifier, url, events, *rest in rows]


def find_webhook(con: duckdb.DuckDBPyConnection, workspace_id: str, webhook_id: str) -> Webhook:
    """One receiver.

    Raises:
        NotFoundError: there is none with this id.
    """
    found = [webhook for webhook in read_webhooks(con, workspace_id) if webhook.webhook_id == webhook_id]
    if not found:
        raise NotFoundError(f"The workspace has no webhook {webhook_id!r}.")
    return found[0]


def read_deliveries(
    con: duckdb.DuckDBPyConnection, workspace_id: str, webhook_id: str, limit: int
) -> list[dict[str, Any]]:
    """Attempts to reach a receiver, newest first.

    Raises:
        NotFoundError: there is none with this id.
    """
    find_webhook(con, workspace_id, webhook_id)
    cursor = con.execute(
        "SELECT delivery_id, event_type, body, attempt, attempted_at, status_code, problem FROM webhook_deliveries "
        "WHERE workspace_id = ? AND webhook_id = ? ORDER BY attempted_at DESC, delivery_id LIMIT ?",
        [workspace_id, webhook_id, limit],
    )
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def redeliver(store: Store, workspace_id: str, webhook_id: str, delivery_id: str, *, actor: str, now: datetime) -> None:
    """Put a message that was sent or given up into the outbox again, under its old id.

    Raises:
        NotFoundError: the receiver or the message is not known.
    """
    with control_transaction(store) as con:
        find_webhook(con, workspace_id, webhook_id)
        found = con.execute(
            "SELECT event_type, body FROM webhook_deliveries "
            "WHERE workspace_id = ? AND webhook_id = ? AND delivery_id = ? LIMIT 1",
            [workspace_id, webhook_id, delivery_id],
        ).fetchall()
        if not found:
            raise NotFoundError(f"No message {delivery_id!r} was sent to this webhook within the last 30 days.")
        con.execute(
            "DELETE FROM webhook_outbox WHERE workspace_id = ? AND delivery_id = ?", [workspace_id, delivery_id]
        )
        ((event, body),) = found
        _post(con, workspace_id, delivery_id, webhook_id, event, body, now)
        audit.record(con, workspace_id, actor, "webhook.redeliver", delivery_id, now)


def send_test(settings: Settings, store: Store, workspace_id: str, webhook_id: str, now: datetime) -> Outcome:
    """Send one signed message of type `webhook.test` at once.

    Raises:
        NotFoundError: there is no receiver with this id.
    """
    with store.write("control") as con:
        webhook = find_webhook(con, workspace_id, webhook_id)
    body = _body(workspace_id, TEST, {}, now)
    delivery_id = _fresh_id()
    message = _message(settings, webhook, delivery_id, body, now)
    outcome = send_all([message], settings.serve.webhook_hosts)[delivery_id]
    with control_transaction(store) as con:
        _log(con, workspace_id, webhook_id, delivery_id, TEST, body, 0, outcome, now)
    return outcome


def announce(
    con: duckdb.DuckDBPyConnection, workspace_id: str, event: Event, data: dict[str, object], now: datetime
) -> int:
    """Put a message into the outbox, in the transaction of what it tells.

    Returns:
        How many receivers will get it.
    """
    webhooks = read_webhooks(con, workspace_id)
    receivers = [webhook for webhook in webhooks if event in webhook.events]
    body = _body(workspace_id, event, data, now)
    for webhook in receivers:
        _post(con, workspace_id, _fresh_id(), webhook.webhook_id, event, body, now)
    former = _FORMER.get(event)
    if former is None:
        return len(receivers)
    late = [webhook for webhook in webhooks if former in webhook.events and event not in webhook.events]
    told = {_FORMER_FIELDS.get(name, name): value for name, value in data.items()}
    body = _body(workspace_id, former, told, now, deprecated=f"{former} is now {event}: change the webhook's events")
    for webhook in late:
        _post(con, workspace_id, _fresh_id(), webhook.webhook_id, former, body, now)
    return len(receivers) + len(late)


def deliver(settings: Settings, store: Store, control: SnapshotReader, *, now: datetime) -> int:
    """Send what is due. Only one process at a time does; a message that fails is tried again for a day.

    Returns:
        How many were delivered.
    """
    with control.cursor() as (con, _):
        cursor = con.execute(
            "SELECT o.* FROM webhook_outbox AS o SEMI JOIN webhooks AS w USING (workspace_id, webhook_id) "
            "WHERE o.next_attempt_at <= ? "
            "QUALIFY row_number() OVER (PARTITION BY webhook_id ORDER BY o.created_at, o.delivery_id) <= ? "
            "ORDER BY o.created_at, o.delivery_id",
            [now, _OF_ONE_RECEIVER],
        )
        names = [column[0] for column in cursor.description or ()]
        due = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        webhooks = {
            each.webhook_id: each
            for owner in {row["workspace_id"] for row in due}
            for each in read_webhooks(con, owner)
        }
    if not due:
        return 0
    with store.engine.only_one("webhooks") as alone:
        if not alone:
            return 0
        messages = [
            _message(settings, webhooks[row["webhook_id"]], row["delivery_id"], row["body"], now) for row in due
        ]
        outcomes = send_all(messages, settings.serve.webhook_hosts)
        with control_transaction(store) as con:
            for row in due:
                if (outcome := outcomes.get(row["delivery_id"])) is not None:
                    _settle(con, row, outcome, now)
            con.execute("DELETE FROM webhook_deliveries WHERE attempted_at < ?", [now - _KEPT])
    return sum(outcome.problem is None for outcome in outcomes.values())


def sign(secret: bytes, delivery_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    digest = hmac.new(secret, b"%s.%d.%s" % (delivery_id.encode(), timestamp, body), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _fresh_id() -> str:
    return f"msg_{secrets.token_hex(12)}"


def _body(workspace_id: str, event: str, data: Mapping[str, object], now: datetime, **more: str) -> str:
    body = {"type": event, "timestamp": now.isoformat(), "workspace_id": workspace_id, **more, "data": data}
    return orjson.dumps(body).decode()


def _write(con: duckdb.DuckDBPyConnection, workspace_id: str, webhook: Webhook) -> None:
    con.execute("DELETE FROM webhooks WHERE workspace_id = ? AND webhook_id = ?", [workspace_id, webhook.webhook_id])
    con.execute(
        "INSERT INTO webhooks (workspace_id, webhook_id, url, events, created_at, created_by, secret_version,"
        " rotated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            workspace_id,
            webhook.webhook_id,
            webhook.url,
            list(webhook.events),
            webhook.created_at,
            webhook.created_by,
            webhook.secret_version,
            webhook.rotated_at,
        ],
    )


def _post(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    delivery_id: str,
    webhook_id: str,
    event: str,
    body: str,
    now: datetime,
) -> None:
    con.execute(
        "INSERT INTO webhook_outbox VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
        [workspace_id, delivery_id, webhook_id, event, body, now, now],
    )


def _message(settings: Settings, webhook: Webhook, delivery_id: str, body: str, now: datetime) -> Message:
    content, timestamp = body.encode(), int(now.timestamp())
    versions = [webhook.secret_version]
    if webhook.rotated_at is not None and now < webhook.rotated_at + _OVERLAP:
        versions.append(webhook.secret_version - 1)
    signatures = [
        sign(_secret(settings, webhook.webhook_id, version), delivery_id, timestamp, content) for version in versions
    ]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "metric-store",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
    return Message(delivery_id, webhook.webhook_id, webhook.url, headers, content)


def _settle(con: duckdb.DuckDBPyConnection, row: Mapping[str, Any], outcome: Outcome, now: datetime) -> None:
    owner, delivery_id, attempts = row["workspace_id"], row["delivery_id"], row["attempts"] + 1
    _log(con, owner, row["webhook_id"], delivery_id, row["event_type"], row["body"], attempts, outcome, now)
    if outcome.problem is None or attempts > len(_WAITS):
        con.execute("DELETE FROM webhook_outbox WHERE workspace_id = ? AND delivery_id = ?", [owner, delivery_id])
        if outcome.problem is not None:
            detail = {"attempts": attempts, "problem": outcome.problem}
            audit.record(con, owner, "server", "webhook.give_up", delivery_id, now, detail)
        return
    con.execute(
        "UPDATE webhook_outbox SET attempts = ?, next_attempt_at = ? WHERE workspace_id = ? AND delivery_id = ?",
        [attempts, now + _WAITS[attempts - 1], owner, delivery_id],
    )


def _log(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    webhook_id: str,
    delivery_id: str,
    event: str,
    body: str,
    attempt: int,
    outcome: Outcome,
    now: datetime,
) -> None:
    con.execute(
        "INSERT INTO webhook_deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [workspace_id, webhook_id, delivery_id, event, body, attempt, now, outcome.status, outcome.problem],
    )


def _secret(settings: Settings, webhook_id: str, version: int) -> bytes:
    name = webhook_id if version == 1 else f"{webhook_id}:{version}"
    return hmac.new(_master_secret(settings.home / "webhooks.key"), name.encode(), hashlib.sha256).digest()


def _shown_secret(settings: Settings, webhook: Webhook) -> str:
    secret = _secret(settings, webhook.webhook_id, webhook.secret_version)
    return "whsec_" + base64.b64encode(secret).decode()


def _master_secret(path: Path) -> bytes:
    """From which every secret is derived; made once, readable by the owner of the deployment only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(32))
        try:
            path.hardlink_to(fresh)  # fails when another process was quicker
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()
