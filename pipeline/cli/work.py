"""`ingest`, `run` and `backfill`: what changes the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from pipeline import hourly
from pipeline.catalog.catalog import Catalog
from pipeline.cli import instants
from pipeline.cli.completion import metric_keys
from pipeline.cli.console import Json, complain, emit, emit_json, emit_table, note, progress
from pipeline.cli.explained import show_explanation
from pipeline.cli.shown import All, Group, Quiet, choose, of_group, tell_left_out
from pipeline.extract import ExtractReport, MetricOutcome
from pipeline.extract.report import DayAtMost
from pipeline.ingest import IngestProgress, IngestReport
from pipeline.ingest import ingest as ingest_files
from pipeline.ingest.explain import explain as explain_record
from pipeline.ingest.unread import count_unread
from pipeline.judge.engine import Counters
from pipeline.settings import Settings, load_settings
from pipeline.store import Store
from pipeline.window import floor_hour
from pipeline.workspace.catalogs import current_catalog
from pipeline.workspace.intake import adopt_intake

_NAMED = 5
"""Metrics or files that are named where many failed for one reason."""

Keys = Annotated[
    list[str] | None,
    typer.Option("--metric", help="Only this metric and what it reads; repeatable.", autocompletion=metric_keys),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(ingest)
    app.command()(run)
    app.command()(backfill)


def ingest(
    urls: Annotated[
        list[str] | None, typer.Argument(help="Files, folders or URLs; default the landing folder.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Key of the source mapping for all of them.")] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Show what becomes of each field of one record of the first file; write nothing."
        ),
    ] = False,
    record: Annotated[int, typer.Option(min=1, help="With --explain: number of the record in the file.")] = 1,
    as_json: Json = False,
) -> None:
    """Read new and changed files into events and conversations. Exit code 1 when a file could not be read."""
    settings = load_settings()
    if explain:
        _explain(settings, urls, source, record, as_json=as_json)
        return
    store, catalog = Store(settings), current_catalog(settings)
    if not urls:
        adopt_intake(settings)
    with progress() as display:
        report = ingest_files(
            store, catalog, settings, urls=urls or None, source=source, on_progress=_file_progress(display)
        )
    if as_json:
        emit_json(_ingest_document(report))
    else:
        _show_ingest(report)
    _end(report, ())


def run(
    at: Annotated[str | None, typer.Option(help="Start of the hour to run; default the hour in progress.")] = None,
    keys: Keys = None,
    group: Group = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and asked; write nothing.")
    ] = False,
    everything: All = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Ingest, extract, aggregate and publish one hour. Exit code 1 when a metric or a file failed.

    A metric has failed when it could not be run, or when errors pass the setting max_error_share.
    """
    settings = load_settings()
    start = instants.hour(at, settings) if at else floor_hour(datetime.now(UTC))
    store, catalog = Store(settings), current_catalog(settings)
    keys = of_group(catalog, group, keys)
    with progress() as display:
        metrics = display.add_task("Metrics", total=len(catalog.select(keys)))
        report = hourly.run_hour(
            store,
            catalog,
            settings,
            instants.window_of(start, settings),
            keys=keys,
            dry_run=dry_run,
            on_ingest=_file_progress(display),
            on_metric=lambda outcome: display.update(metrics, advance=1, description=outcome.key),
            on_judged=_judge_progress(display),
        )
    show = _Show(catalog, everything=everything or bool(keys), quiet=quiet, as_json=as_json, dry_run=dry_run)
    _present(report, show)
    if dry_run and not quiet and (unread := count_unread(store, settings)):
        files = "1 file is" if unread == 1 else f"{unread:,} files are"
        note(f"{files} not read yet, which a run does first; so it may have more to do.")


def backfill(
    start: Annotated[str, typer.Option("--from", help=f"Hours that start at or after. {instants.HELP}")],
    end: Annotated[str, typer.Option("--to", help="Hours that start before.")],
    keys: Keys = None,
    group: Group = None,
    batch: Annotated[
        bool, typer.Option("--batch", help="Ask models through the Batch API: cheaper, and up to a day later.")
    ] = False,
    everything: All = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run every hour that starts in a range, oldest first, each with a window of its own.

    Hours that have not begun are left out. Exit code 1 when anything failed.
    """
    settings = load_settings()
    windows = instants.hours(start, end, settings)
    store, catalog = Store(settings), current_catalog(settings)
    keys = of_group(catalog, group, keys)
    catalog.select(keys)  # an unknown key is said before anything is done
    with progress() as display:
        hours = display.add_task("Hours", total=len(windows))
        report = hourly.backfill(
            store,
            catalog,
            settings,
            windows,
            keys=keys,
            on_ingest=_file_progress(display),
            on_window=lambda done: display.update(hours, advance=1, description=f"{done.window.hour:%F %H:%M}"),
            on_judged=_judge_progress(display),
            in_batches=batch,
            on_batch=lambda at: display.update(hours, description=f"{at.open} batches open, {at.answered:,} answers"),
        )
    _present(report, _Show(catalog, everything=everything or bool(keys), quiet=quiet, as_json=as_json))


def _explain(settings: Settings, urls: list[str] | None, source: str | None, record: int, *, as_json: bool) -> None:
    found = explain_record(current_catalog(settings), settings, urls=urls or None, source=source, record=record)
    if as_json:
        emit_json(asdict(found))
    else:
        show_explanation(found)


def _file_progress(display: Progress) -> Callable[[IngestProgress], None]:
    files = display.add_task("Files", total=None)

    def show(at: IngestProgress) -> None:
        display.update(files, total=at.files_total, completed=at.files_done, description=f"{at.record_count:,} records")

    return show


def _judge_progress(display: Progress) -> Callable[[Counters], None]:
    task: TaskID | None = None

    def show(at: Counters) -> None:
        nonlocal task
        if task is None:
            task = display.add_task("Judged", total=None)
        told = f"{at.spent.calls:,} calls, ${at.spent.cost_usd:.2f}, {at.failed:,} failed, {at.throttled:,} throttled"
        display.update(task, total=at.conversations, completed=at.done, description=told)

    return show


@dataclass(frozen=True)
class _Show:
    """How a report is shown."""

    catalog: Catalog
    everything: bool
    quiet: bool
    as_json: bool
    dry_run: bool = False


def _present(report: hourly.RunReport, show: _Show) -> None:
    if show.as_json:
        emit_json(
            {
                "dry_run": show.dry_run,
                "ingest": report.ingest and _ingest_document(report.ingest),
                "windows": [_window_document(extracted) for extracted in report.extracts],
                **({"day_at_most": asdict(_day_at_most(report))} if show.dry_run else {}),
                "periods": report.aggregate
                and {name: getattr(report.aggregate, name) for name in ("added", "changed", "unchanged", "superseded")},
            }
        )
    elif not show.quiet:
        if report.ingest is not None:
            if show.dry_run:
                emit("What a run would read first, here in a copy of the store that is gone again:")
            _show_ingest(report.ingest)
        _show_metrics(report.extracts, show)
        if show.dry_run:
            _show_day(_day_at_most(report))
        if report.aggregate is not None:
            emit(
                f"Period rows: {report.aggregate.added:,} new, {report.aggregate.changed:,} revised, "
                f"{report.aggregate.unchanged:,} unchanged. Published."
            )
    for line in report.refused_batches:
        complain(line)
    _end(report.ingest, report.failed, refused=bool(report.refused_batches))


def _day_at_most(report: hourly.RunReport) -> DayAtMost:
    return DayAtMost.of(outcome for extracted in report.extracts for outcome in extracted.outcomes)


def _show_day(day: DayAtMost) -> None:
    if day.metrics:
        cost = "" if day.cost_usd is None else f", ${day.cost_usd:,.2f} at the cost of a value in this run"
        emit(f"A day of 24 runs: at most {day.values:,} values of {day.metrics:,} metrics with a cap{cost}.")


def _show_ingest(report: IngestReport) -> None:
    unread = f"{len(report.failed):,} could not be read, " if report.failed else ""
    emit(
        f"{len(report.files) - len(report.failed):,} files read, {unread}{report.unchanged_count:,} unchanged; "
        f"{report.event_count:,} new events, "
        f"{report.duplicate_count:,} already there, {report.rejected_count:,} refused; "
        f"{report.conversation_count:,} conversations assembled."
    )
    if report.rejected_count:
        emit("`metric-store status` says why records were refused.")


@dataclass(frozen=True)
class _Summed:
    """One metric over the windows."""

    key: str
    outcomes: list[MetricOutcome]

    @property
    def wrong(self) -> bool:
        return any(outcome.failure is not None or outcome.states.get("error") for outcome in self.outcomes)

    @property
    def states(self) -> str:
        states: Counter[str] = Counter()
        for outcome in self.outcomes:
            states.update(outcome.states)
        return ", ".join(f"{state} {count:,}" for state, count in states.most_common() if count)

    def total(self, name: str) -> float:
        total: float = sum(getattr(outcome, name) for outcome in self.outcomes)
        return total


def _show_metrics(extracts: Sequence[ExtractReport], show: _Show) -> None:
    """One line for each metric, summed over the windows."""
    by_key: dict[str, list[MetricOutcome]] = {}
    for extracted in extracts:
        for outcome in extracted.outcomes:
            by_key.setdefault(outcome.key, []).append(outcome)
    summed = [_Summed(key, outcomes) for key, outcomes in by_key.items()]
    shipped = {metric.key for metric in show.catalog.metrics if metric.shipped}
    shown, left_out = choose(summed, shipped, lambda each: each.wrong, everything=show.everything)
    done = "to do" if show.dry_run else "computed"
    spent = ("calls", "tokens", "tokens_cached", "cost_usd")
    if shown:
        emit_table(
            ["metric", "eligible", "reused", done, "states", "calls", "tokens", "cached", "USD"],
            [
                (
                    each.key,
                    *(each.total(name) for name in ("eligible", "reused", "computed")),
                    each.states,
                    *(each.total(name) or None for name in spent),
                )
                for each in shown
            ],
            spare=("cached", "tokens"),
        )
    tell_left_out(left_out)
    if show.dry_run:
        calls, tokens, usd = (sum(each.total(name) for each in summed) for name in ("calls", "tokens", "cost_usd"))
        emit(f"In all {calls:,} calls, about {tokens:,} tokens and ${usd:,.2f}.")


def _ingest_document(report: IngestReport) -> dict[str, object]:
    return {
        "files": [asdict(file) for file in report.files],
        "unchanged_count": report.unchanged_count,
        "record_count": report.record_count,
        "event_count": report.event_count,
        "duplicate_count": report.duplicate_count,
        "rejected_count": report.rejected_count,
        "conversation_count": report.conversation_count,
    }


def _window_document(extracted: ExtractReport) -> dict[str, object]:
    return {
        "run_id": extracted.run_id,
        "window_start": extracted.window.start,
        "window_end": extracted.window.end,
        "metrics": [asdict(outcome) for outcome in extracted.outcomes],
    }


def _end(ingested: IngestReport | None, failed: Sequence[MetricOutcome] = (), *, refused: bool = False) -> None:
    """Name what failed on standard error, and leave with exit code 1 if anything did."""
    files = (*ingested.failed, *ingested.refusing) if ingested else ()
    for failure, urls in _by_reason((file.failure, file.url) for file in files):
        complain(f"{urls}: {failure}")
    for failure, keys in _by_reason((outcome.failure, outcome.key) for outcome in failed):
        complain(f"{keys} failed: {failure}")
    if files or failed or refused:
        raise typer.Exit(1)


def _by_reason(failures: Iterable[tuple[str | None, str]]) -> Iterator[tuple[str | None, str]]:
    """Each reason once, with the first names of those that have it."""
    names: dict[str | None, dict[str, None]] = {}
    for reason, name in failures:
        names.setdefault(reason, {})[name] = None
    for reason, found in names.items():
        shown, left = list(found)[:_NAMED], len(found) - _NAMED
        yield reason, ", ".join(shown) + (f" and {left:,} more" if left > 0 else "")
