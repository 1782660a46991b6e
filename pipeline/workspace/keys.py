"""API keys: made once, shown once, stored as a hash.

A key is `ms_<id>_<secret>`; the secret has 256 random bits, so a plain SHA-256 of it cannot be searched.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import duckdb

from pipeline.errors import NotFoundError, UserError
from pipeline.store import Store
from pipeline.store.control import control_transaction
from pipeline.workspace import audit

Role = Literal["viewer", "admin", "owner"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what the ones before it may."""

_KEY = re.compile(r"ms_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class ApiKey:
    """One key as it is stored.

    Attributes:
        metrics: keys of the metrics that it may read; None is all.
        transcripts: whether it may read what was said.
        requests_per_minute: its own limit; None is the server's.
    """

    workspace_id: str
    key_id: str
    name: str
    role: Role
    secret_hash: str
    metrics: frozenset[str] | None
    transcripts: bool
    requests_per_minute: int | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def usable(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True)
class Access:
    """What a workspace lets its keys read, whatever the keys themselves allow."""

    metrics: frozenset[str] | None = None
    transcripts: bool = True


def create_key(
    store: Store,
    name: str,
    role: Role,
    *,
    actor: str,
    now: datetime,
    workspace_id: str | None = None,
    metrics: Iterable[str] | None = None,
    transcripts: bool = True,
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[str, str]:
    """Make a key.

    Returns:
        Its id and the key itself, which is stored nowhere and cannot be shown again.

    Raises:
        UserError: the role does not exist, or the key would already have expired.
    """
    if role not in ROLES:
        raise UserError(f"No role is called {role!r}. Choose one of {', '.join(ROLES)}.")
    if expires_at is not None and expires_at <= now:
        raise UserError(f"The key would expire at {expires_at.isoformat()}, which has passed. Give a later instant.")
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    owner = workspace_id or store.workspace_id
    with control_transaction(store) as con:
        con.execute(
            "INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            [
                owner,
                key_id,
                name,
                role,
                _hash(secret),
                None if metrics is None else sorted(set(metrics)),
                transcripts,
                requests_per_minute,
                now,
                actor,
                expires_at,
            ],
        )
        audit.record(con, owner, actor, "key.create", key_id, now, {"name": name, "role": role})
    return key_id, f"ms_{key_id}_{secret}"


def revoke_key(store: Store, key_id: str, *, actor: str, now: datetime, workspace_id: str | None = None) -> None:
    """End a key at once.

    Raises:
        NotFoundError: the workspace has no such key.
    """
    owner = workspace_id or store.workspace_id
    with control_transaction(store) as con:
        found = [key for key in read_keys(con) if key.workspace_id == owner and key.key_id == key_id]
        if not found:
            raise NotFoundError(f"The workspace has no key {key_id!r}. `metric-store keys list` shows them.")
        con.execute(
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE workspace_id = ? AND key_id = ?",
            [now, owner, key_id],
        )
        audit.record(con, owner, actor, "key.revoke", key_id, now)


def note_use(con: duckdb.DuckDBPyConnection, used: Mapping[str, datetime]) -> None:
    """Store when keys were last used, by key id."""
    for key_id, instant in used.items():
        con.execute("UPDATE api_keys SET last_used_at = ? WHERE key_id = ?", [instant, key_id])


def read_keys(con: duckdb.DuckDBPyConnection) -> list[ApiKey]:
    """Every key of every workspace, oldest first."""
    cursor = con.execute("FROM api_keys ORDER BY created_at, key_id")
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [ApiKey(**{**row, "metrics": _frozen(row["metrics"])}) for row in rows]


def find_key(keys: Mapping[str, ApiKey], presented: str, now: datetime) -> ApiKey | None:
    """The usable key that was presented, or None. Takes the same time whether the id or the secret is wrong."""
    match = _KEY.fullmatch(presented)
    key_id, secret = match.groups() if match else ("", "")
    key = keys.get(key_id)
    right = hmac.compare_digest(_hash(secret), key.secret_hash if key else _hash("no such key"))
    return key if key is not None and right and key.usable(now) else None


def read_access(con: duckdb.DuckDBPyConnection) -> dict[str, Access]:
    """What each workspace allows, by workspace id; those that never said anything allow everything."""
    rows = con.execute("SELECT workspace_id, metrics, transcripts FROM workspace_access").fetchall()
    return {workspace_id: Access(_frozen(metrics), transcripts) for workspace_id, metrics, transcripts in rows}


def change_access(store: Store, workspace_id: str, access: Access, *, actor: str, now: datetime) -> None:
    """Replace what a workspace lets its keys read."""
    metrics = None if access.metrics is None else sorted(access.metrics)
    with control_transaction(store) as con:
        con.execute("DELETE FROM workspace_access WHERE workspace_id = ?", [workspace_id])
        con.execute(
            "INSERT INTO workspace_access VALUES (?, ?, ?, ?, ?)",
            [workspace_id, metrics, access.transcripts, now, actor],
        )
        detail = {"metrics": metrics, "transcripts": access.transcripts}
        audit.record(con, workspace_id, actor, "access.replace", None, now, detail)


def _frozen(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
