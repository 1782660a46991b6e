"""`metric-store define`: replace the custom definitions that are not in files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from pipeline.catalog.reading import read_yaml
from pipeline.cli.console import Json, emit, emit_json
from pipeline.errors import DefinitionError
from pipeline.settings import load_settings
from pipeline.store import Store
from pipeline.workspace.settings import Change, change_settings, current_revision


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(define)


def define(
    body: Annotated[str | None, typer.Option("--body", help='JSON: {"definitions": […]}.')] = None,
    file: Annotated[Path | None, typer.Option("--file", help="JSON or YAML with definitions.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Replace the custom definitions that are kept in the store, as a whole; those in files are left alone.

    Nothing is changed when anything is wrong. With --url or --env the server's are replaced.
    """
    definitions = read_definitions(body, file)
    settings = load_settings()
    store = Store(settings)
    with store.write() as con:
        base = current_revision(con, store.workspace_id)
    saved = change_settings(
        settings,
        store,
        store.workspace_id,
        Change("settings.replace", definitions=definitions),
        base,
        actor="cli",
        now=datetime.now(UTC),
        dry_run=dry_run,
    )
    show_diff(saved.diff, as_json=as_json, dry_run=dry_run)


def read_definitions(body: str | None, file: Path | None) -> list[dict[str, Any]]:
    """What was given to be defined.

    Raises:
        DefinitionError: neither or both were given, or it is no list of definitions.
    """
    if (body is None) == (file is None):
        raise DefinitionError("Give either --body or --file.")
    if file is not None:
        document = read_yaml(file)  # JSON is YAML
        if document.problems:
            raise DefinitionError("; ".join(str(problem) for _, problem in document.problems))
        found = document.data
    else:
        try:
            found = orjson.loads(body or "")
        except orjson.JSONDecodeError as error:
            raise DefinitionError(f"--body is no JSON: {error}") from None
    definitions = found.get("definitions") if isinstance(found, dict) else None
    if not isinstance(definitions, list) or not all(isinstance(each, dict) for each in definitions):
        raise DefinitionError('Definitions look like {"definitions": [{"key": …}]}.')
    return definitions


def show_diff(diff: Mapping[str, Any], *, as_json: bool, dry_run: bool) -> None:
    """What was changed, or would be."""
    if as_json:
        emit_json({"diff": diff, "dry_run": dry_run})
        return
    lines = [f"+ {key}" for key in diff["added"]] + [f"- {key}" for key in diff["removed"]]
    for key, fields in diff["changed"].items():
        lines += [f"~ {key}.{name}: {change['from']!r} → {change['to']!r}" for name, change in fields.items()]
    emit("\n".join(lines) or "Nothing changes.")
    emit("Nothing was saved." if dry_run else "The next run uses it.")
