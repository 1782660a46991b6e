"""Which store a verb is about: the local one, or that of a server with `--url URL --key KEY` or `--env NAME`.

A profile is a table of `~/.config/metric-store/profiles.toml` (or $METRIC_STORE_PROFILES), see
`definitions/command-line.md`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pipeline.errors import SettingsError, UserError

if TYPE_CHECKING:
    from pipeline.client import MetricStore

_KEY_VARIABLE = "METRIC_STORE_KEY"

Url = Annotated[str | None, typer.Option("--url", help="Ask this server instead of the local store.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", envvar=_KEY_VARIABLE, show_envvar=False, help=f"With --url or --env; default ${_KEY_VARIABLE}."
    ),
]
Env = Annotated[str | None, typer.Option("--env", help="Ask the server of this profile of profiles.toml.")]
Workspace = Annotated[
    str | None, typer.Option("--workspace", help="With --url or --env: UUID of the workspace that the key belongs to.")
]

_ADVICE = {
    401: f"Give a key with --key, ${_KEY_VARIABLE} or the profile's key_variable; `metric-store keys create` on the"
    " machine of the store makes one.",
    403: "Ask an owner for a key that may.",
}


@dataclass(frozen=True)
class Profile:
    """Where a server is and how to get in."""

    url: str
    key: str | None = None
    workspace_id: str | None = None
    timeout: float | None = None


@dataclass(frozen=True)
class Server:
    """A server that a verb asks; it knows its own zone, as settings do."""

    store: MetricStore

    @property
    def timezone(self) -> str:
        """Name of the zone in which the workspace's days start."""
        return str(self.definitions["timezone"])

    @property
    def zone(self) -> ZoneInfo:
        """The zone."""
        return ZoneInfo(self.timezone)

    @cached_property
    def definitions(self) -> dict[str, Any]:
        """The definitions in force, asked for once."""
        return self.store.definitions()


def profiles_path() -> Path:
    """The file of profiles."""
    configured = os.environ.get("METRIC_STORE_PROFILES")
    if configured:
        return Path(configured)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "metric-store" / "profiles.toml"


def read_profile(name: str) -> Profile:
    """A profile by its name.

    Raises:
        SettingsError: the file cannot be read or has no such profile; the message names those that it has.
    """
    path = profiles_path()
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"There is no {path}. Write [{name}] with url and key_variable into it.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    found = profiles.get(name)
    if not isinstance(found, dict) or not isinstance(found.get("url"), str):
        raise SettingsError(f"{path} has no profile [{name}] with a url. It has {', '.join(profiles) or 'none'}.")
    key = found.get("key") or os.environ.get(str(found.get("key_variable", "")))
    timeout = found.get("timeout_seconds")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0):
        raise SettingsError(f"{path}: timeout_seconds of [{name}] is no number of seconds above 0.")
    return Profile(found["url"], key, found.get("workspace_id"), timeout)


@contextmanager
def connect(url: str | None, key: str | None, env: str | None, workspace: str | None) -> Iterator[MetricStore]:
    """A client of the server that the options name; what it refuses is said with what to do.

    Raises:
        UserError: the server refused or did not answer, or the address or profile cannot be used.
    """
    from pipeline.client import MetricStore, RefusedError

    profile = read_profile(env) if env is not None else Profile("")
    options: dict[str, Any] = {} if profile.timeout is None else {"timeout": profile.timeout}
    if workspace_id := workspace or profile.workspace_id:
        options["workspace_id"] = workspace_id
    with MetricStore(url or profile.url, profile.key or key, **options) as store:
        try:
            yield store
        except RefusedError as error:
            wait = None if error.retry_after is None else f"Come back in {error.retry_after:.0f} s."
            raise UserError(" ".join(filter(None, (str(error), _ADVICE.get(error.status), wait)))) from None


@contextmanager
def asked(url: str | None, key: str | None, env: str | None, workspace: str | None) -> Iterator[Server | None]:
    """The server that the options name; None for the local store.

    Raises:
        UserError: as `connect`.
    """
    if url is None and env is None:
        if workspace is not None:
            raise UserError("--workspace needs --url or --env; the local store's workspace is a setting.")
        yield None
    else:
        with connect(url, key, env, workspace) as store:
            yield Server(store)


def refuse_half_an_address(arguments: Sequence[str]) -> None:
    """A key without a server would silently work on the local store.

    Raises:
        UserError: `--key` was given without `--url` or `--env`.
    """
    names = {argument.partition("=")[0] for argument in arguments}
    if "--key" in names and names.isdisjoint({"--url", "--env"}):
        raise UserError("--key needs --url or --env; without them the command works on the local store.")
