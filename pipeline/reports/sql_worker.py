"""The process that runs queries: reads what to run from standard input, writes the answer.

It holds no secret and no more than its query may read, and the kernel bounds its memory, processor time and files.
Lines of JSON: `{}` goes out when it is ready, `{sql, most_rows, most_bytes, memory, seconds}` comes in, `{tables}` goes
out, `{table: file}` comes in, `{columns, rows, truncated}` goes out. `{refused}` goes out in place of an answer.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import IO, Any

import duckdb
import sqlglot

from pipeline.errors import ExpressionError
from pipeline.reports.guarded_sql import guard
from pipeline.store.engine import literal

_BESIDE = 64 * 2**20
"""Address space for what DuckDB does not count and for the answer."""
_AT_ONCE = 128
TOO_MUCH_MEMORY = "The query needs more memory than one may use. Ask for less."


def main() -> None:
    """Answer one query after the other, each in a fork that ends with it; end when standard input does."""
    with suppress(OSError):
        os.nice(5)  # the server answers everybody else first
    sqlglot.parse_one("SELECT 1", read="duckdb")
    import_module("pytz")  # DuckDB does for the first instant
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    while True:
        _say(answers, "{}")
        if not (line := sys.stdin.readline()):
            return
        if (child := os.fork()) == 0:
            _say(answers, _answer(answers, json.loads(line)))
            os._exit(0)  # nothing to tidy up, and DuckDB would give its memory back piece by piece
        if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            os._exit(abs(status))  # what it had begun to say is no answer


def _answer(answers: IO[str], asked: Mapping[str, Any]) -> str:
    try:
        _limit(asked["memory"], asked["seconds"])
        guarded = guard(asked["sql"], asked["most_rows"])
        _say(answers, json.dumps({"tables": guarded.tables}))
        return run(guarded.sql, json.loads(sys.stdin.readline()), asked)
    except ExpressionError as error:
        return json.dumps({"refused": str(error)})
    except MemoryError:
        return json.dumps({"refused": TOO_MUCH_MEMORY})


def _say(answers: IO[str], line: str) -> None:
    answers.write(line + "\n")
    answers.flush()


def _limit(memory: int, seconds: float) -> None:
    with suppress(OSError, ValueError):  # no such file, or a lower limit already
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        most = pages * resource.getpagesize() + memory + _BESIDE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    whole = math.ceil(process_time() + seconds) + 1
    for kind, most in (
        (resource.RLIMIT_CPU, whole),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def open_files(files: Mapping[str, str], memory: int) -> duckdb.DuckDBPyConnection:
    """A database in memory that shows the files as tables and can open nothing else."""
    con = duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": f"{memory // 1024}KiB",
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
        }
    )
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = FALSE")
    for number, (table, file) in enumerate(files.items()):
        con.execute(f"ATTACH {literal(file)} AS readable_{number} (READ_ONLY)")
        con.execute(f"CREATE VIEW {table} AS FROM readable_{number}.main.{table}")
    con.execute("SET python_enable_replacements = FALSE")
    con.execute("SET enable_external_access = FALSE")
    con.execute("SET lock_configuration = TRUE")
    return con


def run(sql: str, files: Mapping[str, str], asked: Mapping[str, Any]) -> str:
    """The answer as JSON.

    Raises:
        ExpressionError: the query fails or needs too much memory.
    """
    try:
        con = open_files(files, asked["memory"])
        cursor = con.execute(sql)
        columns = [{"name": str(name), "type": str(kind)} for name, kind, *_ in cursor.description or ()]
        rows, truncated = rows_of(cursor, asked["most_rows"], asked["most_bytes"])
    except (duckdb.OutOfMemoryException, MemoryError):
        raise ExpressionError(TOO_MUCH_MEMORY) from None
    except (duckdb.Error, OverflowError, ValueError) as error:
        message = str(error).splitlines()[0][:300]
        for file in files.values():
            message = message.replace(file, "the table")
        raise ExpressionError(f"The query fails: {message}") from None
    return f'{{"columns":{json.dumps(columns)},"rows":[{",".join(rows)}],"truncated":{json.dumps(truncated)}}}'


def rows_of(cursor: duckdb.DuckDBPyConnection, most_rows: int, most_bytes: int) -> tuple[list[str], bool]:
    """Rows as JSON, and whether there were more than may be shown."""
    shown: list[str] = []
    size = 0
    while batch := cursor.fetchmany(_AT_ONCE):
        for row in batch:
            text = json.dumps([plain(value) for value in row], ensure_ascii=False, separators=(",", ":"))
            size += len(text.encode()) + 1
            if size > most_bytes and not shown:
                raise ExpressionError(f"One row has more than {most_bytes:,} bytes; select less of it.")
            if size > most_bytes or len(shown) == most_rows:
                return shown, True
            shown.append(text)
    return shown, False


def plain(value: Any) -> Any:
    """A value of DuckDB as JSON has it; what JSON has no form for becomes text, a number that is none becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.hex() if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    main()
