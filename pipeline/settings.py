"""One typed settings object, read from `metric-store.toml` and `METRIC_STORE_*` variables (which win)."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, ByteSize, Field, SecretStr, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from pipeline.errors import SettingsError
from pipeline.settings_known import did_you_mean, unknown_variables
from pipeline.settings_models import Models, PythonMode, Retention
from pipeline.settings_serve import Serve

_LOG = logging.getLogger(__name__)

SETTINGS_FILE = Path("metric-store.toml")
PACKAGE = Path(__file__).parent


def known_zone(name: str) -> str:
    """The name of an IANA time zone; any other is a ValueError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
        raise ValueError("not an IANA time zone; write for example Europe/Berlin") from error
    return name


def no_file(path: Path) -> Path:
    """The path of a folder, whether it is there or not; that of a file is a ValueError."""
    if path.exists() and not path.is_dir():
        raise ValueError("a file; name a folder")
    return path


class _Toml(TomlConfigSettingsSource):
    """The settings file; an empty text is a setting that was not set, as `init` writes it."""

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = _without_empty(super().__call__())
        return found


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_empty(inner) for name, inner in value.items() if inner != ""}
    return value


class Settings(BaseSettings):
    """What a deployment can change without touching code.

    Paths are relative to the working directory. Times are minutes unless the name says otherwise.
    """

    model_config = SettingsConfigDict(
        env_prefix="METRIC_STORE_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        toml_file=SETTINGS_FILE,
        extra="forbid",
        frozen=True,
    )

    workspace_id: str = Field(
        default="00000000-0000-4000-8000-000000000001",
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="UUID of the workspace that rows are written for.",
    )
    home: Annotated[Path, AfterValidator(no_file)] = Field(
        default=Path(".metric_store"), description="Folder of the database, landing files and Dagster."
    )
    database: Path | None = Field(default=None, description="Database file; default HOME/metric_store.duckdb.")
    catalog: SecretStr | None = Field(
        default=None, description="PostgreSQL URL of a DuckLake catalog: several machines; default one database file."
    )
    data_path: Path | None = Field(default=None, description="With a catalog: folder of the data, shared by machines.")
    landing: str | None = Field(default=None, description="Folder or fsspec URL of new files; default HOME/landing.")
    definitions: Path = Field(default=Path("definitions"), description="Folder of the user's definitions.")
    timezone: Annotated[str, AfterValidator(known_zone)] = Field(
        default="UTC", description="IANA zone of the workspace: where a day starts."
    )
    start: datetime = Field(
        default=datetime(2020, 1, 1, tzinfo=UTC), description="First hour of the partitions that Dagster offers."
    )
    settle_minutes: int = Field(default=5, ge=0, le=1440, description="Idle time that settles a conversation.")
    window_hours: int = Field(default=24, ge=1, le=168, description="How far back one hourly run looks.")
    cap: int = Field(default=500, ge=1, description="Conversations newly examined per hour, in modes that cost money.")
    max_custom_metrics: int = Field(default=50, ge=0, description="Custom definitions per workspace.")
    error_attempts: int = Field(default=5, ge=1, description="Runs that try a failed value before it is left alone.")
    max_error_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of errors above which a metric's hour has failed (of fewer than 20: all); 1 is never.",
    )
    earliest_event: datetime = Field(
        default=datetime(2000, 1, 1, tzinfo=UTC), description="Events before this instant are refused."
    )
    max_record_bytes: int = Field(default=16 * 2**20, ge=1024, description="Larger records are refused.")
    max_rejected_share: float = Field(
        default=0.1, ge=0, le=1, description="A file of which more is refused fails its run; what is good is stored."
    )
    # A row group of DuckDB: a transaction that fills one goes to the file without the detour of the log.
    chunk_records: int = Field(default=122_880, ge=1, description="Records that one ingest transaction holds.")
    memory_limit: str = Field(default="1GB", pattern=r"^\d+(\.\d+)?\s?([KMG]i?B)$", description="Of DuckDB, a process.")
    threads: int = Field(default=2, ge=1, le=256, description="Of DuckDB, a process.")
    shards: int = Field(default=1, ge=1, le=64, description="Processes that share judged and python metrics.")
    lock_seconds: float = Field(default=600, ge=0, description="How long to wait for another process's write.")
    models: Models = Field(default=Models(), description="Which models judged metrics ask, budgets and redaction.")
    python: PythonMode = Field(default=PythonMode(), description="Limits of python metrics.")
    serve: Serve = Field(default=Serve(), description="Limits of the HTTP server.")
    retention: Retention = Field(default=Retention(), description="For how many days facts are kept.")
    hash_key: SecretStr | None = Field(
        default=None,
        description="Key of hashed ids, at least 16 bytes; default a file in HOME, made when it is needed.",
    )
    keep_runs_days: int = Field(default=14, ge=1, description="Dagster runs older than this are pruned.")

    @property
    def memory_bytes(self) -> int:
        """`memory_limit` as a number of bytes."""
        return TypeAdapter(ByteSize).validate_python(self.memory_limit)

    @property
    def database_path(self) -> Path:
        """The live database file."""
        return self.database or self.home / "metric_store.duckdb"

    @property
    def snapshot_path(self) -> Path:
        """The published copy that readers open."""
        return self.database_path.with_suffix(".snapshot.duckdb")

    @property
    def control_path(self) -> Path:
        """The published copy of what people change: keys, settings, webhooks."""
        return self.database_path.with_suffix(".control.duckdb")

    @property
    def landing_url(self) -> str:
        """Folder or URL that is scanned for new files."""
        return self.landing or str(self.home / "landing")

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder."""
        return self.home / "dagster"

    @property
    def zone(self) -> ZoneInfo:
        """The workspace's time zone."""
        return ZoneInfo(self.timezone)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: arguments, environment, `metric-store.toml`."""
        return init_settings, env_settings, _Toml(settings_cls)


def _described(problem: ErrorDetails) -> str:
    """A problem in words; what may be a key is not repeated."""
    place = [str(part) for part in problem["loc"]]
    if problem["type"] == "extra_forbidden":
        return f"{'.'.join(place)}: no such setting{did_you_mean(Settings, place)}"
    secret = place[-1:] in (["key_variable"], ["catalog"], ["base_url"])
    return f"{'.'.join(place)}: {problem['msg']}" + ("" if secret else f" (found {problem['input']!r})")


def builtin_definitions() -> Path:
    """Folder of the built-in metrics and source mappings: in the wheel, or the repository's own."""
    packaged = PACKAGE / "_definitions"
    return packaged if packaged.is_dir() else PACKAGE.parent / "definitions"


def load_settings(**overrides: object) -> Settings:
    """Read the settings of the working directory, and warn of variables that look like settings and are none.

    Raises:
        SettingsError: naming every setting that cannot be used and what was found.
    """
    for name, advice in unknown_variables(Settings, os.environ).items():
        _LOG.warning("The variable %s is no setting and is ignored%s", name, advice)
    return read_settings(**overrides)


def read_settings(**overrides: object) -> Settings:
    """Read the settings of the working directory.

    Raises:
        SettingsError: naming every setting that cannot be used and what was found.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(map(_described, error.errors()))
        raise SettingsError(f"Settings cannot be used: {problems}. Mend {SETTINGS_FILE} or METRIC_STORE_*.") from None
    except ValueError as error:  # malformed TOML
        raise SettingsError(f"{SETTINGS_FILE} cannot be read: {error}") from None
