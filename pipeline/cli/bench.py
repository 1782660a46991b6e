"""`bench`: how fast each stage is on this machine, beside its floor and beside what one would write first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from pipeline.bench.stage import Size
from pipeline.bench.stages import STAGES, stage_named
from pipeline.cli.console import complain, emit, emit_table, progress
from pipeline.errors import InternalError


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(bench)


def bench(
    stages: Annotated[
        list[str] | None, typer.Argument(help=f"Which; default all of {', '.join(STAGES)}.", show_default=False)
    ] = None,
    size: Annotated[
        Size, typer.Option(help="full: the sizes of the README; medium: a tenth; small: does it work at all.")
    ] = "medium",
    rounds: Annotated[int | None, typer.Option(min=1, help="Runs of each competitor; default by stage.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write everything measured to this file.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Say what the stages do and what they cost.")] = False,
) -> None:
    """Measure stages: floor, ours and a naive version by turns, with data made on the fly.

    Takes time and disk where temporary files go (TMPDIR): see --list. Only METRIC_STORE_THREADS and
    METRIC_STORE_MEMORY_LIMIT are heeded. Exit code 1 when two competitors found different answers or one failed; the
    other stages are measured all the same.
    """
    from pipeline.bench import report
    from pipeline.bench.driver import StageResult, measure

    if unknown := [name for name in stages or () if name not in STAGES]:
        raise typer.BadParameter(f"no stage {unknown[0]!r}; there are {', '.join(STAGES)}.")
    chosen = [stage_named(name) for name in stages or STAGES]
    if listing:
        emit_table(["stage", "work", "cost at full size"], [(each.name, each.work, each.cost) for each in chosen])
        return
    results: list[StageResult] = []
    failed: list[str] = []
    with progress() as display:
        task = display.add_task("", total=len(chosen))
        for stage in chosen:
            try:
                result = measure(
                    stage,
                    size,
                    rounds=rounds,
                    on_step=lambda step: display.update(task, description=step, refresh=True),
                )
            except InternalError as error:
                failed.append(str(error))
                continue
            finally:
                display.advance(task)
            results.append(result)
            if json_file is not None:  # after each stage, so that an interrupted night is not lost
                json_file.write_bytes(orjson.dumps(report.document(results), option=orjson.OPT_INDENT_2))
    cells = [row for result in results for row in report.rows(result)]
    if markdown:
        emit(report.markdown(report.COLUMNS, cells))
    else:
        emit_table(report.COLUMNS, cells, spare=("CPU s", "answer"))
    emit(report.machine_line())
    for failure in failed:
        complain(failure)
    if failed or any(measured.agrees is False for result in results for measured in result.results.values()):
        raise typer.Exit(1)
