"""What a stage of the benchmark is made of: prepared data, competitors that do the same work, and bars."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.settings import Settings

Size = Literal["small", "medium", "full"]
SCALES: Mapping[Size, float] = {"small": 0.001, "medium": 0.1, "full": 1.0}

Answer = Mapping[str, object]
"""What a competitor found. Two agree when they share a key and have the same under every key that they share."""


@dataclass
class Place:
    """Where a stage's data lies, and how much of it there is.

    Attributes:
        folder: prepared once, shared by the competitors, which leave it as it is.
        scale: share of the full size.
    """

    folder: Path
    scale: float

    def scaled(self, full: int, least: int = 1) -> int:
        """A number of the full size at this size."""
        return max(round(full * self.scale), least)

    def settings(self, home: Path, **fields: object) -> Settings:
        """Settings of a deployment that is all in one folder, wherever the user's own store is."""
        elsewhere = {"database": None, "catalog": None, "data_path": None}
        own = {"home": home, "definitions": home / "definitions", "landing": str(home / "landing")}
        given = {**elsewhere, **own, **fields}
        return Settings(**given)  # type: ignore[arg-type]


@dataclass
class Run(Place):
    """One run of one competitor.

    Attributes:
        scratch: a folder that is empty before each run.
        parts: wall seconds by part; their sum is what the run took.
        cpu_seconds: of this process, all threads, in the same spans.
        measures: anything else that a bar is about.
        share: of the work that was done, for a competitor that nobody has the time to wait for.
    """

    scratch: Path
    parts: dict[str, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    measures: dict[str, float] = field(default_factory=dict)
    share: float = 1.0

    @contextmanager
    def clock(self, part: str = "all") -> Iterator[None]:
        """Time a part of the work; what is outside is preparation or inspection."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.parts[part] = self.parts.get(part, 0.0) + time.perf_counter() - wall
        self.cpu_seconds += time.process_time() - cpu


@dataclass(frozen=True)
class Competitor:
    """One way of doing a stage's work.

    Attributes:
        work: does it once and tells what it found.
        floor: name of the competitor that it is a multiple of.
        rounds: how often it is measured.
        warm_up: whether a run is thrown away first.
        note: what was scaled down or is otherwise particular, for the reader of the table.
    """

    name: str
    work: Callable[[Run], Answer]
    floor: str | None = None
    rounds: int = 3
    warm_up: bool = True
    note: str = ""


@dataclass
class Result:
    """What the runs of one competitor gave.

    Attributes:
        seconds: of each measured run, scaled up where only a share of the work was done.
        parts: the same by part of the work.
        measures: anything else, by name, of each run.
        cpu_seconds: of each run, scaled up alike.
        peak_bytes: of the process that did nothing else, Python and libraries included.
        agrees: whether its answer is that of the first competitor that says something about the same; None: nothing
            to compare.
    """

    competitor: Competitor
    seconds: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    measures: dict[str, list[float]] = field(default_factory=dict)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    share: float = 1.0
    answers: list[Answer] = field(default_factory=list)
    agrees: bool | None = None

    @property
    def median(self) -> float:
        """Wall seconds."""
        return statistics.median(self.seconds)


Results = Mapping[str, Result]


@dataclass(frozen=True)
class Bar:
    """A promise about one competitor, which is kept or broken.

    Attributes:
        of: name of the competitor.
        says: the promise in words, for example `≤ 2x floor`.
        found: the number that it is about.
        limit: that the number must not exceed, or with `at_least` must reach.
        unit: behind the number, for example ` s`.
    """

    of: str
    says: str
    found: Callable[[Results], float]
    limit: float
    unit: str = "x"
    at_least: bool = False

    def holds(self, found: float) -> bool:
        """Whether a number keeps the promise."""
        return found >= self.limit if self.at_least else found <= self.limit


@dataclass(frozen=True)
class Stage:
    """One stage of the table.

    Attributes:
        work: what is done, at full size.
        cost: time and disk that the full size takes.
        prepare: makes the data that all competitors read.
    """

    name: str
    work: str
    cost: str
    prepare: Callable[[Place], None]
    competitors: tuple[Competitor, ...]
    bars: tuple[Bar, ...] = ()


def ratio(above: list[float], below: list[float]) -> float:
    """How many times as long: the median over rounds that were measured side by side, else that of the medians."""
    if len(above) == len(below):
        return statistics.median(a / b for a, b in zip(above, below, strict=True))
    return statistics.median(above) / statistics.median(below)


def times(of: str, floor: str, limit: float, part: str | None = None) -> Bar:
    """At most so many times as long as the floor; with `part` only that part of the work counts."""

    def found(results: Results) -> float:
        ours = results[of]
        return ratio(ours.parts[part] if part else ours.seconds, results[floor].seconds)

    beside = "floor" if floor.startswith("floor") else floor
    return Bar(of, f"{part + ' ' if part else ''}≤ {limit:g}x {beside}", found, limit)


def over(of: str, floor: str, limit: float) -> Bar:
    """At most so many seconds longer than the floor."""

    def found(results: Results) -> float:
        pairs = zip(results[of].seconds, results[floor].seconds, strict=True)
        return statistics.median(a - b for a, b in pairs)

    return Bar(of, f"≤ {limit:g} s over the floor", found, limit, " s")


def peak(of: str, limit_gib: float) -> Bar:
    """At most so much memory."""
    return Bar(of, f"≤ {limit_gib:g} GiB", lambda results: results[of].peak_bytes / 2**30, limit_gib, " GiB")


def measured(of: str, measure: str, says: str, limit: float, unit: str = "", *, at_least: bool = False) -> Bar:
    """A number that the competitor measured itself."""
    return Bar(of, says, lambda results: statistics.median(results[of].measures[measure]), limit, unit, at_least)
