"""SQL that lives in files beside the code that runs it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.resources import files

import duckdb
import orjson


@cache
def load_sql(package: str, name: str) -> str:
    """The text of `<package>/<name>.sql`, for example `load_sql("pipeline.ingest.sql", "stage")`."""
    return files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def run_script(con: duckdb.DuckDBPyConnection, text: str, parameters: dict[str, object] | None = None) -> None:
    """Run statements one after another; each is given the named parameters that it mentions.

    DuckDB refuses a parameter that a statement does not use, so a script cannot be handed over whole.
    """
    for statement in _statements(text):
        wanted = statement.named_parameters
        con.execute(statement, {name: value for name, value in (parameters or {}).items() if name in wanted})


@lru_cache(maxsize=256)  # more than there are scripts; a statement belongs to no connection
def _statements(text: str) -> tuple[duckdb.Statement, ...]:
    with duckdb.connect() as con:
        return tuple(con.extract_statements(text))


def text_list(texts: Iterable[str]) -> str:
    """Texts as one parameter, which SQL reads with `from_json($name, '["VARCHAR"]')`.

    DuckDB looks for pandas anew for each element of a list that it is given: where pandas is not installed, 60 µs each.
    """
    return orjson.dumps(list(texts)).decode()
