"""One typed settings object, read from `metric-store.toml` and `METRIC_STORE_*` variables (which win)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, ByteSize, Field, SecretStr, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from pipeline.errors import SettingsError
from pipeline.settings_models import Models, PythonMode
from pipeline.settings_serve import Serve

SETTINGS_FILE = Path("metric-store.toml")
PACKAGE = Path(__file__).parent


def known_zone(name: str) -> str:
    """The name of an IANA time zone; any other is a ValueError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
        raise ValueError("not an IANA time zone; write for example Europe/Berlin") from error
    return name


class Settings(BaseSettings):
    """What a deployment can change without touching code.

    Paths are relative to the working directory. Times are minutes unless the name says otherwise.
    """

    model_config = SettingsConfigDict(
        env_prefix="METRIC_STORE_", env_nested_delimiter="__", toml_file=SETTINGS_FILE, extra="forbid", frozen=True
    )

    workspace_id: str = Field(
        default="00000000-0000-4000-8000-000000000001",
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="UUID of the workspace that rows are written for.",
    )
    home: Path = Field(default=Path(".metric_store"), description="Folder of the database, landing files and Dagster.")
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
    cap: int = Field(default=500, ge=1, description="Newest conversations per run for modes that cost money.")
    max_custom_metrics: int = Field(default=50, ge=0, description="Custom definitions per workspace.")
    error_attempts: int = Field(default=5, ge=1, description="Runs that try a failed value before it is left alone.")
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
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def builtin_definitions() -> Path:
    """Folder of the built-in metrics and source mappings: in the wheel, or the repository's own."""
    packaged = PACKAGE / "_definitions"
    return packaged if packaged.is_dir() else PACKAGE.parent / "definitions"


def load_settings(**overrides: object) -> Settings:
    """Read the settings of the working directory.

    Raises:
        SettingsError: naming every setting that cannot be used and what was found.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(
            # What stands under an unknown name may be a key.
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            + ("" if problem["type"] == "extra_forbidden" else f" (found {problem['input']!r})")
            for problem in error.errors()
        )
        raise SettingsError(f"Settings cannot be used: {problems}. Mend {SETTINGS_FILE} or METRIC_STORE_*.") from None
    except ValueError as error:  # malformed TOML
        raise SettingsError(f"{SETTINGS_FILE} cannot be read: {error}") from None
