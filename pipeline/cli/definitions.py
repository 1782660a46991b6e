"""`catalog` and `definitions validate | schema | diff`: what metrics there are, and whether the YAML is sound."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.cli.console import Json, complain, emit, emit_json, emit_table
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
    every: Annotated[bool, typer.Option("--all", help="Inactive metrics too.")] = False, as_json: Json = False
) -> None:
    """The metrics that can be asked for."""
    found = current_catalog(load_settings())
    metrics = found.metrics if every else found.active
    if as_json:
        emit_json(
            [
                {
                    **m.definition.model_dump(mode="json"),
                    "version": m.version,
                    "managed_by": m.managed_by,
                    "file": m.file,
                }
                for m in metrics
            ]
        )
        return
    emit_table(
        ["key", "type", "mode", "aggregation", "unit", "version", "from", "name"],
        [
            (
                m.key,
                m.definition.metric_type,
                m.definition.extraction_mode,
                m.definition.aggregation,
                m.definition.unit,
                m.short_version,
                m.managed_by,
                m.definition.name,
            )
            for m in metrics
        ],
        spare=("version", "from", "unit", "aggregation"),
    )
    if found.errors:
        complain(f"{len(found.errors)} problems keep definitions out; see `metric-store definitions validate`.")


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
