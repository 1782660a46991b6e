"""Lakes of the tests' own, each with a catalog database on one PostgreSQL server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from pipeline.settings import Settings
from pipeline.store import database
from pipeline.store.lake import Lake


@contextmanager
def empty_catalog(server: str) -> Iterator[str]:
    """URL of an empty database, dropped at the end."""
    name = f"metric_store_test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}")
        yield f"{server}/{name}"
        session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def instead_of_files(server: str) -> Iterator[None]:
    """Every store that this process would keep in a file is kept on a lake of its own."""
    lakes: dict[Path, Settings] = {}

    def lake(settings: Settings) -> Lake:
        path = settings.database_path.absolute()
        if path not in lakes:
            catalog = SecretStr(stack.enter_context(empty_catalog(server)))
            lakes[path] = settings.model_copy(update={"catalog": catalog, "data_path": path.with_suffix(".lake")})
        where = {name: getattr(lakes[path], name) for name in ("catalog", "data_path")}
        return Lake(settings.model_copy(update=where))

    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "DatabaseFile", lake)
        yield
