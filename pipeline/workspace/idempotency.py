"""Requests that are done once however often they are sent: what was answered is kept for a day.

A request is noted before it is done and its answer afterwards, so after a kill in between nobody knows whether it was
done; it is then refused rather than done twice. Answers can hold a new key's secret, which is stored nowhere: they are
encrypted with what only the caller has.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipeline.errors import RequestInUseError, RequestReusedError
from pipeline.store import Store

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Once:
    """A request that is to be done once.

    Attributes:
        workspace_id: whom it is for.
        actor: who asks.
        secret: the caller's API key; empty where none is needed.
        key: the `Idempotency-Key`.
        request: method, path, query and body.
    """

    workspace_id: str
    actor: str
    secret: str
    key: str
    request: bytes

    @property
    def key_hash(self) -> str:
        """What it is found by; another caller's same key is another one."""
        return hashlib.sha256(f"{self.actor}\n{self.key}".encode()).hexdigest()

    @property
    def request_hash(self) -> str:
        """The same for the same request."""
        return hashlib.sha256(self.key.encode() + b"\n" + self.request).hexdigest()


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status_code: int
    body: bytes


def begin(store: Store, once: Once, now: datetime) -> Answer | None:
    """Note that a request is being done, unless it was.

    Returns:
        The answer if it has been given; None: do it, then `keep` the answer or `release` the key.

    Raises:
        RequestInUseError: it has not been answered.
        RequestReusedError: the key was sent with another request.
    """
    with store.transaction("control") as con:
        con.execute("DELETE FROM idempotent_requests WHERE begun_at < ?", [now - _KEPT])
        found = con.execute(
            "SELECT request_hash, begun_at, status_code, salt, answer FROM idempotent_requests "
            "WHERE workspace_id = ? AND key_hash = ?",
            [once.workspace_id, once.key_hash],
        ).fetchone()
        if found is None:
            con.execute(
                "INSERT INTO idempotent_requests VALUES (?, ?, ?, ?, NULL, NULL, NULL)",
                [once.workspace_id, once.key_hash, once.request_hash, now],
            )
            return None
    request_hash, begun_at, status_code, salt, sealed = found
    if request_hash != once.request_hash:
        raise RequestReusedError("sent before with another request; take a new one for each request")
    if status_code is None:
        raise RequestInUseError(
            f"The request with this Idempotency-Key came at {begun_at:%F %T} UTC and has no answer yet. Ask again in a "
            "moment; if that does not help, the server was stopped meanwhile: see whether it was done."
        )
    return Answer(status_code, _cipher(once, salt).decrypt(salt[:12], sealed, None))


def keep(store: Store, once: Once, answer: Answer) -> None:
    """Keep the answer to a request that was done."""
    salt = os.urandom(16)
    sealed = _cipher(once, salt).encrypt(salt[:12], answer.body, None)
    with store.transaction("control") as con:
        con.execute(
            "UPDATE idempotent_requests SET status_code = ?, salt = ?, answer = ? "
            "WHERE workspace_id = ? AND key_hash = ?",
            [answer.status_code, salt, sealed, once.workspace_id, once.key_hash],
        )


def release(store: Store, once: Once) -> None:
    """Forget a request that was refused: the same key may be sent again."""
    with store.transaction("control") as con:
        con.execute(
            "DELETE FROM idempotent_requests WHERE workspace_id = ? AND key_hash = ?",
            [once.workspace_id, once.key_hash],
        )


def _cipher(once: Once, salt: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    secret = f"{once.secret}\n{once.key}".encode()
    return AESGCM(HKDF(SHA256(), 32, salt, b"metric-store idempotent answer").derive(secret))
