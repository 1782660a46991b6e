"""Messages to other programs: written into an outbox, signed, sent at least once.

Signatures follow the Standard Webhooks specification (standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
`webhook-signature: v1,<base64 of HMAC-SHA256 over "id.timestamp.body">`; the receiver drops what is old or repeated.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

import duckdb
import httpx2
import orjson

from pipeline.errors import NotFoundError, UserError
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.control import control_transaction
from pipeline.store.snapshot import SnapshotReader
from pipeline.workspace import audit

Event = Literal["run.finished", "threshold.crossed", "threshold.recovered", "freshness.missed", "freshness.recovered"]
EVENTS: tuple[Event, ...] = get_args(Event)

_WAITS = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 300, 1800, 7200, 21600, 43200))
_TIMEOUT = httpx2.Timeout(10.0)
_AT_ONCE = 100
_GATEWAYS = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")))
"""IPv6 networks with an IPv4 address inside, which may be a private one (NAT64, 6to4)."""


@dataclass(frozen=True)
class Webhook:
    """Where messages go."""

    webhook_id: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    created_by: str


def create_webhook(
    settings: Settings, store: Store, workspace_id: str, url: str, events: Sequence[Event], *, actor: str, now: datetime
) -> tuple[Webhook, str]:
    """Add a receiver.

    Returns:
        It, and the secret with which its messages are signed, which is derived and stored nowhere.

    Raises:
        UserError: the URL is none that may be called.
    """
    _addresses(settings, url)
    webhook = Webhook(secrets.token_hex(8), url, tuple(sorted(set(events))), now, actor)
    with control_transaction(store) as con:
        con.execute(
            "INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, ?)",
            [workspace_id, webhook.webhook_id, url, list(webhook.events), now, actor],
        )
        audit.record(con, workspace_id, actor, "webhook.create", webhook.webhook_id, now, {"events": webhook.events})
    return webhook, _shown_secret(settings, webhook.webhook_id)


def delete_webhook(store: Store, workspace_id: str, webhook_id: str, *, actor: str, now: datetime) -> None:
    """Remove a receiver and what waits for it.

    Raises:
        NotFoundError: there is none with this id.
    """
    with control_transaction(store) as con:
        if all(webhook.webhook_id != webhook_id for webhook in read_webhooks(con, workspace_id)):
            raise NotFoundError(f"The workspace has no webhook {webhook_id!r}.")
        for table in ("webhooks", "webhook_outbox"):
            con.execute(
                f"DELETE FROM {table} WHERE workspace_id = ? AND webhook_id = ?",  # noqa: S608 - names from above
                [workspace_id, webhook_id],
            )
        audit.record(con, workspace_id, actor, "webhook.delete", webhook_id, now)


def read_webhooks(con: duckdb.DuckDBPyConnection, workspace_id: str) -> list[Webhook]:
    """All receivers of a workspace, oldest first."""
    rows = con.execute(
        "SELECT webhook_id, url, events, created_at, created_by FROM webhooks WHERE workspace_id = ? "
        "ORDER BY created_at, webhook_id",
        [workspace_id],
    ).fetchall()
    return [Webhook(identifier, url, tuple(events), *rest) for identifier, url, events, *rest in rows]


def announce(
    con: duckdb.DuckDBPyConnection, workspace_id: str, event: Event, data: dict[str, object], now: datetime
) -> int:
    """Put a message into the outbox, in the transaction of what it tells.

    Returns:
        How many receivers will get it.
    """
    receivers = [webhook for webhook in read_webhooks(con, workspace_id) if event in webhook.events]
    body = {"type": event, "timestamp": now.isoformat(), "workspace_id": workspace_id, "data": data}
    for webhook in receivers:
        con.execute(
            "INSERT INTO webhook_outbox VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
            [
                workspace_id,
                f"msg_{secrets.token_hex(12)}",
                webhook.webhook_id,
                event,
                orjson.dumps(body).decode(),
                now,
                now,
            ],
        )
    return len(receivers)


def deliver(settings: Settings, store: Store, control: SnapshotReader, *, now: datetime) -> int:
    """Send what is due. Only one process at a time does; a message that fails is tried again for a day.

    Returns:
        How many were delivered.
    """
    with control.cursor() as (con, _):
        due = con.execute(
            "SELECT o.workspace_id, o.delivery_id, o.webhook_id, w.url, o.body, o.attempts FROM webhook_outbox AS o "
            "JOIN webhooks AS w USING (workspace_id, webhook_id) WHERE o.next_attempt_at <= ? "
            "ORDER BY o.created_at LIMIT ?",
            [now, _AT_ONCE],
        ).fetchall()
    if not due:
        return 0
    with store.engine.only_one("webhooks") as alone:
        if not alone:
            return 0
        outcomes = [
            (workspace_id, delivery_id, attempts, _send(settings, webhook_id, url, delivery_id, body, now))
            for workspace_id, delivery_id, webhook_id, url, body, attempts in due
        ]
        with control_transaction(store) as con:
            for workspace_id, delivery_id, attempts, problem in outcomes:
                _settle(con, workspace_id, delivery_id, attempts + 1, problem, now)
    return sum(problem is None for *_, problem in outcomes)


def sign(secret: bytes, delivery_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    digest = hmac.new(secret, b"%s.%d.%s" % (delivery_id.encode(), timestamp, body), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _send(settings: Settings, webhook_id: str, url: str, delivery_id: str, body: str, now: datetime) -> str | None:
    """None when the receiver took it, else why not."""
    parts, content, timestamp = urlsplit(url), body.encode(), int(now.timestamp())
    headers = {
        "Host": parts.netloc.rpartition("@")[2],
        "Content-Type": "application/json",
        "User-Agent": "metric-store",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(_secret(settings, webhook_id), delivery_id, timestamp, content),
    }
    try:
        # The address that was checked is the one that is called, whatever the name resolves to a moment later.
        address = _addresses(settings, url)[0]
        target = httpx2.URL(url).copy_with(host=address)
        with httpx2.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client:
            request = client.build_request("POST", target, content=content, headers=headers)
            request.extensions["sni_hostname"] = parts.hostname
            status = client.send(request).status_code
    except (httpx2.HTTPError, UserError, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None if 200 <= status < 300 else f"the receiver answered {status}"


def _settle(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    delivery_id: str,
    attempts: int,
    problem: str | None,
    now: datetime,
) -> None:
    if problem is None or attempts > len(_WAITS):
        con.execute(
            "DELETE FROM webhook_outbox WHERE workspace_id = ? AND delivery_id = ?", [workspace_id, delivery_id]
        )
        if problem is not None:
            detail = {"attempts": attempts, "problem": problem}
            audit.record(con, workspace_id, "server", "webhook.give_up", delivery_id, now, detail)
        return
    con.execute(
        "UPDATE webhook_outbox SET attempts = ?, next_attempt_at = ? WHERE workspace_id = ? AND delivery_id = ?",
        [attempts, now + _WAITS[attempts - 1], workspace_id, delivery_id],
    )


def _addresses(settings: Settings, url: str) -> list[str]:
    """Where a URL leads.

    Raises:
        UserError: it is no http(s) URL, does not resolve, or leads into a private network that is not allowed.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https") or parts.username or parts.fragment:
        raise UserError("The webhook's URL must be http(s)://host/path, without a user name or fragment.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UserError(f"The webhook's host {host} does not resolve.") from None
    addresses = [str(address[0]) for *_, address in found]
    if host not in settings.serve.webhook_hosts and not all(map(_is_public, addresses)):
        raise UserError(f"The webhook's host {host} is in a private network; add it to serve.webhook_hosts.")
    return addresses


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    gateways = any(address in network for network in _GATEWAYS if network.version == address.version)
    return address.is_global and not address.is_multicast and not gateways


def _secret(settings: Settings, webhook_id: str) -> bytes:
    return hmac.new(_master_secret(settings.home / "webhooks.key"), webhook_id.encode(), hashlib.sha256).digest()


def _shown_secret(settings: Settings, webhook_id: str) -> str:
    return "whsec_" + base64.b64encode(_secret(settings, webhook_id)).decode()


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
