"""The key of hashed ids: HMAC-SHA256, so that nobody without the key can tell whether an id is among them."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets

import duckdb

from pipeline.errors import SettingsError
from pipeline.settings import Settings
from pipeline.store.sql import load_sql

_BLOCK = 64  # bytes of SHA-256
_FEWEST = 16


def hash_key(settings: Settings, *, create: bool = False) -> bytes | None:
    """The deployment's key: METRIC_STORE_HASH_KEY, else the file `hash.key` in its home.

    Args:
        settings: of the deployment.
        create: make the file where there is no key yet.

    Returns:
        The key; None where there is none.

    Raises:
        SettingsError: the key is too short, or several machines would each make one of their own.
    """
    if settings.hash_key is not None:
        key = settings.hash_key.get_secret_value().encode()
        if len(key) < _FEWEST:
            raise SettingsError(f"METRIC_STORE_HASH_KEY has under {_FEWEST} bytes: set a longer one and keep it.")
        return key
    path = settings.home / "hash.key"
    if not path.exists() and create:
        if settings.catalog is not None:
            raise SettingsError(
                "Set METRIC_STORE_HASH_KEY, the same on every machine: ids that are erased are hashed with it."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
    return path.read_bytes().strip() if path.exists() else None


def keyed_hash(key: bytes, text: str) -> str:
    """The hash of a text, in hexadecimal."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def install_keyed_hash(con: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Let SQL hash with the macro `keyed_hash(text)`."""
    block = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
    con.execute("SET VARIABLE inner_pad = $pad", {"pad": bytes(byte ^ 0x36 for byte in block)})
    con.execute("SET VARIABLE outer_pad = $pad", {"pad": bytes(byte ^ 0x5C for byte in block)})
    con.execute(load_sql("pipeline.store.upkeep", "keyed"))


def tombstones_are_ours(con: duckdb.DuckDBPyConnection, workspace_id: str, key: bytes | None) -> bool:
    """Whether there are tombstones; all of them can be recognised with the key.

    Raises:
        SettingsError: some were made with another key.
    """
    checks = {
        check
        for (check,) in con.execute(
            "SELECT DISTINCT key_check FROM tombstones WHERE workspace_id = ?", [workspace_id]
        ).fetchall()
    }
    if not checks:
        return False
    if key is None or checks != {keyed_hash(key, "")}:
        raise SettingsError(
            "Conversations were erased with another key than this machine has: set METRIC_STORE_HASH_KEY to that one, "
            "or restore `hash.key` in the home folder. Nothing is read, as what was erased could come back."
        )
    return True
