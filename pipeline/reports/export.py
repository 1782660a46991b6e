"""Everything at once, as a file: conversations with their metrics, values, period rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

import duckdb

from pipeline.aggregate.queries import Traffic
from pipeline.errors import StoreUnavailableError, UserError
from pipeline.store import load_sql, run_script
from pipeline.whole_file import replacing

Kind = Literal["conversations", "periods", "values"]
Format = Literal["parquet", "csv", "ndjson"]

SQL = "pipeline.reports.sql"
_INSTANTS = "TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'"
_OPTIONS: dict[Format, str] = {
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "csv": f"FORMAT csv, HEADER, {_INSTANTS}",
    "ndjson": f"FORMAT json, {_INSTANTS}",
}
_LISTS: dict[Kind, str | None] = {"conversations": "tags", "periods": None, "values": "value_list"}
"""The column that holds a list; a cell of CSV has it as JSON."""
_INSTANT: dict[Kind, str | None] = {"conversations": "started_at", "periods": None, "values": "observed_at"}
"""The column that a range is about, where it may be null."""


class Exported(NamedTuple):
    """What an export wrote.

    Attributes:
        rows: in the file.
        undated: rows that a range leaves out because nobody knows when they were; 0 without a range.
    """

    rows: int
    undated: int


def write_export(
    con: duckdb.DuckDBPyConnection,
    workspace_id: str,
    kind: Kind,
    file_format: Format,
    target: Path,
    *,
    keys: Sequence[str] | None = None,
    transcripts: bool = True,
    labels: Sequence[str] | None = None,
    hidden: Sequence[str] = (),
    traffic: Traffic = "production",
    service_id: str | None = None,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
) -> Exported:
    """Write one file, atomically; one that was there before is replaced when the new one is complete.

    `conversations` has a row for each conversation, also those without any value. Its `metrics` maps a metric's key to
    its value, or to a list of them; what has no value is absent there, and `metric_status` says why. Both are JSON.
    `values` has a row for each value with its state, `periods` all columns of the period rows in force.

    Args:
        con: a connection to the snapshot that may write files.
        workspace_id: whose rows.
        kind: what is exported.
        file_format: of the file. Instants are UTC.
        target: the file.
        keys: only these metrics.
        transcripts: whether reasoning, evidence and errors, which quote what was said, are written.
        labels: only labels of these definitions, each `key@version`; of the others numbers alone. None is all.
        hidden: columns of `conversations` that stay empty.
        traffic: production, simulation or all.
        service_id: one service.
        date_from: conversations and periods that start at or after this instant.
        date_to: and before this one.

    Raises:
        UserError: the file cannot be written.
        StoreUnavailableError: the export needs more memory than there is.
    """
    chosen: dict[str, object] = {
        "workspace_id": workspace_id,
        "keys": None if keys is None else list(keys),
        "traffic": traffic,
        "service_id": service_id,
        "labels": None if labels is None else list(labels),
    }
    if kind == "values":
        chosen["transcripts"] = transcripts
    span = {"date_from": date_from, "date_to": date_to}
    undated = 0
    try:
        with replacing(target) as fresh:
            run_script(con, load_sql(SQL, "values_in_force"))
            copied = con.execute(_copy(kind, file_format, hidden), chosen | span | {"target": str(fresh)})
            ((rows,),) = copied.fetchall()
            if (instant := _INSTANT[kind]) is not None and (date_from or date_to) is not None:
                ((undated,),) = con.execute(_undated(kind, instant), chosen | dict.fromkeys(span)).fetchall()
    except (duckdb.IOException, OSError) as error:
        raise UserError(f"Cannot write {target}: {str(error).splitlines()[0]}") from error
    except duckdb.OutOfMemoryException as error:
        raise StoreUnavailableError("The export needs more memory than there is; ask for a shorter range.") from error
    return Exported(rows, undated)


def _copy(kind: Kind, file_format: Format, hidden: Sequence[str]) -> str:
    cells = _LISTS[kind] if file_format == "csv" else None
    changed = [] if cells is None else [f"to_json({cells}) AS {cells}"]
    if kind == "conversations":
        changed += [f"CASE WHEN FALSE THEN {name} END AS {name}" for name in hidden if name != "event_count"]
    columns = f"* REPLACE ({', '.join(changed)})" if changed else "*"
    template = "COPY (SELECT {columns} FROM ({query})) TO $target ({options})"
    return template.format(columns=columns, query=load_sql(SQL, f"export_{kind}"), options=_OPTIONS[file_format])


def _undated(kind: Kind, instant: str) -> str:
    template = "SELECT count(*) FROM ({query}) WHERE {instant} IS NULL"
    return template.format(query=load_sql(SQL, f"export_{kind}"), instant=instant)
