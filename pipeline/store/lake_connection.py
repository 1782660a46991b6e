"""Opening DuckLake from DuckDB: extensions from installed packages, credentials in secrets, errors in one line."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import duckdb

from pipeline.errors import SettingsError, StoreUnavailableError
from pipeline.store.engine import Config, first_line, literal
from pipeline.store.postgres import LAKE_SCHEMA, Catalog
from pipeline.store.spill import spill_folder

_EXTENSIONS = ("postgres_scanner", "ducklake")
_SECRET = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "DATABASE"}
# Rows in the catalog would be quicker to write than a file, and PostgreSQL refuses text with a NUL.
_OPTIONS = "DATA_INLINING_ROW_LIMIT 0"


@dataclass(frozen=True)
class Location:
    """Where a lake is.

    Attributes:
        data: folder of the data files, the same on every machine.
        spill: folder of what does not fit into this machine's memory.
    """

    catalog: Catalog
    data: Path
    spill: Path


def open_lake(location: Location, config: Config, snapshot: int | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own in memory, with the lake attached as `lake`.

    Args:
        location: where it is.
        config: DuckDB start-up options. Without external access only the lake's data can be read.
        snapshot: read this one only; without it the newest is read and written.

    Raises:
        SettingsError: the extensions are not installed, or the folder is another one than that of the catalog.
        StoreUnavailableError: the lake cannot be opened.
    """
    options = {"temp_directory": spill_folder(location.spill), **config}
    walled = not options.pop("enable_external_access", True)
    options |= {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    extensions = [_extension(name) for name in _EXTENSIONS]
    con = duckdb.connect(config=options)
    try:
        con.execute("SET enable_progress_bar = FALSE")  # DuckDB would print over ours while it attaches
        for extension in extensions:
            con.execute(f"LOAD {literal(extension)}")
        for secret in _secrets(location):
            con.execute(secret)
        if snapshot is None:
            with location.catalog.attaching():
                con.execute(f"ATTACH 'ducklake:lake' AS lake ({_OPTIONS})")
        else:
            con.execute(f"ATTACH 'ducklake:lake' AS lake (READ_ONLY, SNAPSHOT_VERSION {snapshot})")
        con.execute("SET GLOBAL TimeZone = 'UTC'")
        if walled:
            con.execute(f"SET allowed_directories = [{literal(f'{location.data}/')}]")
            con.execute("SET enable_external_access = FALSE")
    except duckdb.Error as error:
        con.close()
        message = first_line(error)
        if "DATA_PATH" in message:
            raise SettingsError(f"METRIC_STORE_DATA_PATH is not the folder of this catalog: {message}") from None
        raise StoreUnavailableError(f"Cannot open the lake of {location.catalog}: {message}") from None
    return con


def _secrets(location: Location) -> list[str]:
    """Statements that tell DuckDB how to connect; what they hold is in no path and in no message."""
    parameters = location.catalog.parameters
    postgres = ", ".join(f"{name} {literal(parameters[key])}" for key, name in _SECRET.items() if key in parameters)
    lake = (
        f"METADATA_PATH '', METADATA_SCHEMA '{LAKE_SCHEMA}', DATA_PATH {literal(str(location.data))}, "
        "METADATA_PARAMETERS MAP {'TYPE': 'postgres', 'SECRET': 'catalog'}"
    )
    return [f"CREATE SECRET catalog (TYPE postgres, {postgres})", f"CREATE SECRET lake (TYPE ducklake, {lake})"]


def _extension(name: str) -> str:
    """The file of an extension, which is in a package of its own: nothing is loaded over the network."""
    package = f"duckdb_extension_{name}"
    try:
        folder = files(import_module(package))
    except ImportError:
        raise SettingsError(
            f"METRIC_STORE_CATALOG needs the package {package.replace('_', '-')}: install metric-store[lake]."
        ) from None
    file = folder.joinpath("extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension")
    if not file.is_file():
        raise SettingsError(
            f"{package.replace('_', '-')} is not of DuckDB {duckdb.__version__}: install metric-store[lake] again."
        )
    return str(file)
