"""The catalog: every definition that can be used, in an order in which each comes after what it reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pipeline.catalog.models import MetricDefinition
from pipeline.catalog.source_models import SourceMapping
from pipeline.errors import UnknownMetricError

if TYPE_CHECKING:
    from pipeline.catalog.checks import Check
    from pipeline.catalog.policies import Policy

ManagedBy = Literal["builtin", "library", "file", "api"]

SHIPPED: frozenset[ManagedBy] = frozenset({"builtin", "library"})
"""What comes with the project: the built-ins, whose keys are reserved, and the library, whose keys a user may take."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one definition or mapping.

    Attributes:
        file: path as the user knows it, or `settings` for definitions that came over HTTP.
        line: 1-based, when known.
        field: dotted path inside the file, for example `definitions[2].pattern.regex`.
        found: what stands there.
        advice: what to write instead.
        severity: an `error` keeps the definition out of the catalog, a `warning` does not.
    """

    file: str
    line: int | None
    field: str
    found: str
    advice: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """One line, as a compiler prints it."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.severity}: {self.field}: found {self.found}; {self.advice}"


@dataclass(frozen=True)
class Metric:
    """A definition that passed validation, with its version and where it came from.

    Attributes:
        reads: keys of the metrics that its values are computed from, and of the two ends of a ratio.
    """

    definition: MetricDefinition
    version: str
    managed_by: ManagedBy
    file: str
    line: int | None = None
    reads: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The definition's key."""
        return self.definition.key

    @property
    def shipped(self) -> bool:
        """Whether it came with the project: it is read-only, but for what `metrics/overrides.yaml` may change."""
        return self.managed_by in SHIPPED

    @property
    def short_version(self) -> str:
        """First 12 hexadecimal digits, as shown to people."""
        return self.version[:12]


@dataclass(frozen=True)
class Catalog:
    """Definitions in topological order, source mappings, checks, policies, and what was wrong with the rest.

    Attributes:
        checks: by name, shipped ones too.
        own_checks: names of the checks that the user's own file has.
        withholding: those of `problems` that are about policies and overrides. While there is one, no model is asked:
            what they were to keep out would be paid for.
    """

    metrics: tuple[Metric, ...] = ()
    sources: dict[str, SourceMapping] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    own_checks: frozenset[str] = frozenset()
    policies: tuple[Policy, ...] = ()
    withholding: tuple[Problem, ...] = ()

    @cached_property
    def by_key(self) -> dict[str, Metric]:
        """Every metric by its key."""
        return {metric.key: metric for metric in self.metrics}

    @property
    def active(self) -> tuple[Metric, ...]:
        """The metrics that are extracted, in topological order."""
        return tuple(metric for metric in self.metrics if metric.definition.active)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Problems that keep a definition out."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    def get(self, key: str) -> Metric:
        """The metric with this key.

        Raises:
            UnknownMetricError: there is none; the message names the nearest keys.
        """
        if (metric := self.by_key.get(key)) is not None:
            return metric
        near = difflib.get_close_matches(key, self.by_key, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else " `metric-store catalog` lists all of them."
        raise UnknownMetricError(f"No metric has the key {key!r}.{hint}")

    def select(self, keys: Sequence[str] | None) -> tuple[Metric, ...]:
        """The active metrics, or the named ones with everything they read, in topological order."""
        if keys is None:
            return self.active
        wanted: set[str] = set()
        waiting = [self.get(key).key for key in keys]
        while waiting:
            key = waiting.pop()
            if key not in wanted:
                wanted.add(key)
                waiting.extend(self.by_key[key].reads)
        return tuple(metric for metric in self.metrics if metric.key in wanted)

    def without(self, refused: Mapping[str, Problem]) -> Catalog:
        """The same catalog without some metrics and without those that read them, each with its problem."""
        left_out = dict(refused)
        for metric in self.metrics:
            missing = next((read for read in metric.reads if read in left_out), None)
            if missing is not None:
                advice = f"mend {missing} first"
                problem = Problem(metric.file, metric.line, metric.key, f"{missing}, which is left out", advice)
                left_out.setdefault(metric.key, problem)
        kept = tuple(metric for metric in self.metrics if metric.key not in left_out)
        checks = {name: check for name, check in self.checks.items() if check.metric not in left_out}
        return replace(self, metrics=kept, checks=checks, problems=(*self.problems, *left_out.values()))

    def with_problems(self, problems: Iterable[Problem]) -> Catalog:
        """The same catalog with more problems reported."""
        return replace(self, problems=(*self.problems, *problems))
