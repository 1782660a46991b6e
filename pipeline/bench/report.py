"""What was measured, as rows for people and as a document for programs."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.bench.driver import StageResult
from pipeline.bench.stage import Bar, Result, ratio
from pipeline.settings import Settings

COLUMNS = ("stage", "competitor", "seconds", "x floor", "CPU s", "MiB", "answer", "bar", "found", "verdict")
_LIBRARIES = ("duckdb", "dagster", "pyarrow", "polars", "pydantic", "openai", "fastapi")


@dataclass(frozen=True)
class Verdict:
    """A bar and what became of it; without `holds` the data was too small to tell."""

    bar: Bar
    found: float
    holds: bool | None


def verdicts(result: StageResult) -> list[Verdict]:
    """The stage's bars, in order."""
    found = [(bar, bar.found(result.results)) for bar in result.stage.bars]
    return [Verdict(bar, value, bar.holds(value) if result.size != "small" else None) for bar, value in found]


def rows(result: StageResult) -> Iterator[tuple[object, ...]]:
    """The lines of the table: one for each competitor, and one more for each of its further bars."""
    judged = verdicts(result)
    first = result.stage.name
    for name, measured in result.results.items():
        floor = result.results.get(measured.competitor.floor or "")
        own = [(v.bar.says, f"{v.found:.3g}{v.bar.unit}", _word(v.holds)) for v in judged if v.bar.of == name]
        yield (
            first,
            name,
            measured.median,
            ratio(measured.seconds, floor.seconds) if floor else None,
            statistics.median(measured.cpu_seconds),
            round(measured.peak_bytes / 2**20),
            {True: "same", False: "DIFFERS", None: None}[measured.agrees],
            *(own[0] if own else (None, None, None)),
        )
        first = ""
        for further in own[1:]:
            yield ("", "", None, None, None, None, None, *further)


def _word(holds: bool | None) -> str | None:
    return {True: "holds", False: "missed", None: None}[holds]


def markdown(columns: Sequence[str], cells: Sequence[Sequence[object]]) -> str:
    """The table as it goes into a README."""
    lines = [columns, ["---"] * len(columns), *([_text(cell) for cell in row] for row in cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
        case _:
            return str(value)


def document(results: Sequence[StageResult]) -> dict[str, Any]:
    """Everything that was measured, with the machine that it was measured on."""
    return {"machine": machine(), "stages": [_stage(result) for result in results]}


def _stage(result: StageResult) -> dict[str, Any]:
    return {
        "stage": result.stage.name,
        "work": result.stage.work,
        "size": result.size,
        "competitors": [_competitor(name, measured) for name, measured in result.results.items()],
        "bars": [
            {"of": v.bar.of, "bar": v.bar.says, "limit": v.bar.limit, "found": v.found, "holds": v.holds}
            for v in verdicts(result)
        ],
    }


def _competitor(name: str, measured: Result) -> dict[str, Any]:
    return {
        "name": name,
        "floor": measured.competitor.floor,
        "note": measured.competitor.note,
        "median_seconds": measured.median,
        "seconds": measured.seconds,
        "parts": measured.parts,
        "measures": measured.measures,
        "cpu_seconds": measured.cpu_seconds,
        "peak_bytes": measured.peak_bytes,
        "share_of_work": measured.share,
        "same_answer": measured.agrees,
    }


def machine() -> dict[str, Any]:
    """What the numbers depend on: no name of the machine, no path."""
    settings = Settings()
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_average": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "metric_store": __version__,
        "duckdb_threads": settings.threads,
        "duckdb_memory_limit": settings.memory_limit,
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def machine_line() -> str:
    """The machine in one line, for below the table."""
    of = machine()
    return (
        f"{of['cores']} cores ({of['processor']}), {of['memory_bytes'] / 2**30:.0f} GiB, "
        f"load {of['load_average']:.1f}; "
        f"Python {of['python']}, DuckDB {of['libraries'].get('duckdb')} with {of['duckdb_threads']} threads and "
        f"{of['duckdb_memory_limit']}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
