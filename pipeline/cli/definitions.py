"""`catalog` and `definitions validate | schema | diff`: what metrics there are, and whether the YAML is sound."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from pipeline.cli.console import Json, complain, emit, emit_json, emit_table
from pipeline.cli.server import Env, Key, Server, Url, Workspace, asked
from pipeline.settings import load_settings
from pipeline.store import Store
from pipeline.workspace.catalogs import current_catalog

FAILED_VALIDATION = 2


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(catalog)
    group = typer.Typer(help="Check the YAML files.")
    group.command()(validate)
    group.command()(schema)
    group.command()(diff)
    app.add_typer(group, name="definitions")


def catalog(
    every: Annotated[bool, typer.Option("--all", help="Inactive metrics too.")] = False,
    as_json: Json = False,
    url: Url = None,
    key: Key = None,
    env: Env = None,
    workspace: Workspace = None,
) -> None:
    """The metrics that can be asked for."""
    with asked(url, key, env, workspace) as server:
        found, problems = _local() if server is None else _remote(server)
    metrics = [metric for metric in found if every or metric["active"]]
    if as_json:
        emit_json(metrics)
        return
    columns = ("key", "metric_type", "extraction_mode", "aggregation", "unit")
    emit_table(
        ["key", "type", "mode", "aggregation", "unit", "version", "from", "name"],
        [(*(m[name] for name in columns), m["version"][:12], m["managed_by"], m["name"]) for m in metrics],
        spare=("version", "from", "unit", "aggregation"),
    )
    if problems:
        complain(f"{problems} problems keep definitions out; see `metric-store definitions validate`.")


def _local() -> tuple[list[dict[str, Any]], int]:
    from pipeline.api.models.definitions import DefinitionResponse

    settings = load_settings()
    found = current_catalog(settings)
    metrics = [DefinitionResponse.of(metric, settings.workspace_id) for metric in found.metrics]
    return [metric.model_dump(mode="json") for metric in metrics], len(found.errors)


def _remote(server: Server) -> tuple[list[dict[str, Any]], int]:
    return server.definitions["definitions"], server.definitions["problems"]


def validate(as_json: Json = False) -> None:
    """Report every problem of the definitions and source mappings. Exit code 2 when there are errors."""
    found = current_catalog(load_settings())
    if as_json:
        emit_json(
            {
                "metrics": len(found.metrics),
                "sources": len(found.sources),
                "problems": [vars(p) for p in found.problems],
            }
        )
    else:
        for problem in found.problems:
            emit(str(problem))
        emit(f"{len(found.metrics)} metrics and {len(found.sources)} source mappings can be used.")
    if found.errors:
        complain(f"{len(found.errors)} errors in the definitions; mend the lines above.")
        raise typer.Exit(FAILED_VALIDATION)


def schema() -> None:
    """JSON Schema of a definitions file, with which editors complete and check the YAML."""
    from pipeline.catalog.schema import definition_schema

    emit_json(definition_schema())


def diff(as_json: Json = False) -> None:
    """What the next run would do about each definition that is not as it was at the last published run."""
    from pipeline.catalog.diff import diff as compare
    from pipeline.extract.registry import stored_definitions

    settings = load_settings()
    store = Store(settings)
    with store.read() as con:
        _, in_force = stored_definitions(con, store.workspace_id)
    changes = compare(current_catalog(settings), in_force)
    if as_json:
        emit_json([asdict(change) for change in changes])
        return
    for change in changes:
        emit(f"{change.key}: {change.kind}; {_EFFECTS[change.effect]}")
        for field in change.fields:
            emit(f"  {field.field}: {field.old!r} -> {field.new!r}")
        if change.through:
            emit(f"  because of {', '.join(change.through)}")
    if not changes:
        emit("The definitions are those of the last run.")


_EFFECTS = {
    "extract": "its values are extracted anew",
    "aggregate": "its period rows are computed anew from the values it has",
    "select": "later runs take other conversations",
    "present": "nothing is computed anew",
}
