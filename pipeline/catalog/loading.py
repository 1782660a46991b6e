"""Reads every definition and source mapping, reports everything wrong with them at once, keeps what can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from pipeline.catalog.catalog import SHIPPED, Catalog, ManagedBy, Metric, Problem
from pipeline.catalog.checks import load_checks
from pipeline.catalog.constant import warn_of_constants
from pipeline.catalog.explain import explain
from pipeline.catalog.lint import lint
from pipeline.catalog.models import Key, MetricDefinition, Model, Name
from pipeline.catalog.policies import load_policies
from pipeline.catalog.reading import Document, Place, dotted, read_yaml, shown, yaml_files
from pipeline.catalog.references import check_references, find_cycles, near, references, topological, value_references
from pipeline.catalog.sources import load_sources
from pipeline.catalog.validation import Finding, check_definition
from pipeline.catalog.versions import definition_version
from pipeline.settings import Settings, builtin_definitions

OVERRIDES = "overrides.yaml"
_READ = {"checks.yaml", "policies.yaml"}
SENT = "settings"
"""What stands for the file of definitions that came over HTTP."""


class Override(Model):
    """What may be changed about a metric that is shipped."""

    active: bool | None = None
    freshness_sla_minutes: int | None = Field(default=None, ge=5, le=1440)


class OverrideFile(Model):
    """`metrics/overrides.yaml`: changes to metrics that are shipped, by key and by group; those by key win."""

    overrides: dict[Key, Override] = Field(default_factory=dict)
    groups: dict[Name, Override] = Field(default_factory=dict)


@dataclass(frozen=True)
class _Entry:
    """A definition that is sound taken alone, and where it stands."""

    definition: MetricDefinition
    managed_by: ManagedBy
    document: Document
    place: Place

    def problem(self, place: Place, found: str, advice: str) -> Problem:
        """A problem at a place inside the definition."""
        whole = (*self.place, *place)
        return Problem(self.document.file, self.document.line(whole), dotted(whole), found, advice)

    @property
    def where(self) -> str:
        """File and line, for messages about another definition."""
        line = self.document.line(self.place)
        return self.document.file if line is None else f"{self.document.file}:{line}"


@dataclass
class _Gathered:
    """Sound definitions by key, and the problems of the others."""

    entries: dict[str, _Entry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unsound: set[str] = field(default_factory=set)
    code: dict[str, bytes] = field(default_factory=dict)

    @property
    def left_out(self) -> set[str]:
        """Keys that a definition has, but none that can be used."""
        return self.unsound - self.entries.keys()

    def drop(self, key: str, problem: Problem) -> None:
        """Leave a definition out."""
        self.problems.append(problem)
        self.unsound.add(key)
        self.entries.pop(key, None)


def load_catalog(
    settings: Settings,
    *,
    api_definitions: Sequence[MetricDefinition | Mapping[str, Any]] = (),
    api_overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> Catalog:
    """Everything that can be used of what is shipped, of the user's files, and of what was sent over HTTP.

    Never raises because of a definition: whatever is wrong is in `Catalog.problems`, and only the definitions that it
    is about, and those that read them, are left out. `pipeline.workspace.catalogs.current_catalog` adds what was sent.

    Args:
        settings: where the files are.
        api_definitions: custom definitions that were sent.
        api_overrides: changes to shipped metrics that were sent, by key; they win over `metrics/overrides.yaml`.
    """
    gathered = _Gathered()
    shipped, own = builtin_definitions(), settings.definitions
    for path in yaml_files(shipped / "metrics" / "builtin"):
        _take_file(gathered, read_yaml(path), "builtin")
    for path in yaml_files(own / "metrics" / "custom"):
        _take_file(gathered, read_yaml(path), "file")
    for index, sent in enumerate(api_definitions):
        _take(gathered, sent, "api", Document(SENT), ("definitions", index))
    for path in yaml_files(shipped / "metrics" / "library"):
        _take_file(gathered, read_yaml(path), "library")
    gathered.problems += _unread(own)
    _limit(gathered, settings.max_custom_metrics)
    withholding = _override(gathered, own / "metrics" / OVERRIDES)
    _override_sent(gathered, api_overrides or {})
    _read_code(gathered, own / "python")
    _check_graph(gathered)
    metrics = _metrics(gathered)
    sources = load_sources([shipped / "sources", own / "sources"], gathered.problems)
    by_key = {metric.key: metric for metric in metrics}
    checks, own_checks = load_checks(shipped, own, by_key, gathered.problems)
    policies = load_policies(own, by_key, gathered.left_out, withholding)
    problems = (*gathered.problems, *withholding, *lint(metrics), *warn_of_constants(metrics))
    return Catalog(metrics, sources, problems, checks, own_checks, policies, tuple(withholding))


def _unread(own: Path) -> list[Problem]:
    """Files beside the folders that are read: somebody takes them for read."""
    stray = [
        path
        for folder, known in ((own, _READ), (own / "metrics", {OVERRIDES}))
        for path in (sorted(folder.glob("*.y*ml")) if folder.is_dir() else ())
        if path.name not in known
    ]
    advice = "move it to metrics/custom (a metric) or to sources (a source mapping)"
    return [Problem(shown(path), None, path.name, "a file that nothing reads", advice, "warning") for path in stray]


def _take_file(gathered: _Gathered, document: Document, managed_by: ManagedBy) -> None:
    """Take the definitions of one file."""
    data = document.data
    if data is not None and not (isinstance(data, dict) and isinstance(data.get("definitions"), list)):
        document.report((), "no list named definitions", "start the file with `definitions:` and list them under it")
    elif isinstance(data, dict):
        for name in [name for name in data if name != "definitions"]:
            document.report((name,), "an unknown field", "remove it; a file holds only definitions")
    gathered.problems += [problem for _, problem in document.problems]
    broken = {at[:2] for at, _ in document.problems}
    if not isinstance(data, dict) or not isinstance(data.get("definitions"), list) or ("definitions",) in broken:
        return
    for index, item in enumerate(data["definitions"]):
        place = ("definitions", index)
        _take(gathered, item, managed_by, document, place)
        key = item.get("key") if place in broken and isinstance(item, dict) else None
        if (
            isinstance(key, str)
            and (taken := gathered.entries.get(key))
            and (taken.document, taken.place) == (document, place)
        ):
            del gathered.entries[key]
            gathered.unsound.add(key)


def _take(gathered: _Gathered, item: Any, managed_by: ManagedBy, document: Document, place: Place) -> None:
    """Take one definition, or say everything that is wrong with it. A user's key hides the library's metric."""
    if isinstance(item, MetricDefinition):
        item = item.model_dump(exclude_unset=True)
    key = item.get("key") if isinstance(item, Mapping) else None
    if managed_by == "library" and (key in gathered.unsound or key in gathered.entries):
        return
    if isinstance(item, Mapping):
        item = {**item, "builtin": managed_by in SHIPPED}
    try:
        definition = MetricDefinition.model_validate(item)
    except ValidationError as error:
        gathered.problems += explain(error, MetricDefinition, item, document, place)
        if isinstance(key, str):
            gathered.unsound.add(key)
        return
    entry = _Entry(definition, managed_by, document, place)
    findings = check_definition(definition)
    if managed_by == "api" and definition.extraction_mode == "python":
        findings.append(
            Finding(("extraction_mode",), "python", "put it into a definition file; code is not taken over HTTP")
        )
    gathered.problems += [entry.problem(f.place, f.found, f.advice) for f in findings]
    if (earlier := gathered.entries.get(definition.key)) is not None:
        whose = "that of a built-in" if earlier.managed_by == "builtin" else "taken already"
        found = f"{definition.key}, which is {whose} ({earlier.where})"
        gathered.problems.append(entry.problem(("key",), found, "write another key"))
    elif findings:
        gathered.unsound.add(definition.key)
    else:
        gathered.entries[definition.key] = entry


def _limit(gathered: _Gathered, limit: int) -> None:
    """Leave out custom metrics beyond the limit."""
    custom = [entry for entry in gathered.entries.values() if entry.managed_by not in SHIPPED]
    for number, entry in enumerate(custom[limit:], limit + 1):
        advice = f"remove one; a workspace has at most {limit} (setting max_custom_metrics)"
        gathered.drop(entry.definition.key, entry.problem((), f"custom metric number {number}", advice))


def _override(gathered: _Gathered, path: Path) -> list[Problem]:
    """Apply the user's changes to metrics that are shipped, and say what is wrong with them."""
    if not path.is_file():
        return []
    document = read_yaml(path)
    file = OverrideFile()
    problems: list[Problem] = []
    if not document.problems:
        try:
            file = OverrideFile.model_validate(document.data)
        except ValidationError as error:
            problems = explain(error, OverrideFile, document.data, document)
    shipped = {key: entry for key, entry in gathered.entries.items() if entry.managed_by in SHIPPED}
    groups = {entry.definition.group: None for entry in shipped.values() if entry.definition.group}
    for group, override in file.groups.items():
        if group not in groups:
            document.report(("groups", group), f"{group}, which is no group", f"write one of {', '.join(groups)}")
        for key, member in shipped.items():
            if member.definition.group == group:
                gathered.entries[key] = _changed(member, override.model_dump(exclude_none=True))
    for key, override in file.overrides.items():
        entry = gathered.entries.get(key)
        if entry is None or entry.managed_by not in SHIPPED:
            advice = near(key, shipped) if entry is None else f"change it where it is defined ({entry.where})"
            document.report(("overrides", key), f"{key}, which is not shipped", advice)
            continue
        gathered.entries[key] = _changed(entry, override.model_dump(exclude_none=True))
    return [*problems, *(problem for _, problem in document.problems)]


def _override_sent(gathered: _Gathered, overrides: Mapping[str, Mapping[str, Any]]) -> None:
    """Apply the changes to shipped metrics that were sent; one for a metric that is gone is only mentioned."""
    for key, fields in overrides.items():
        entry = gathered.entries.get(key)
        if entry is None or entry.managed_by not in SHIPPED:
            found = f"{key}, which is not shipped"
            problem = Problem(SENT, None, f"overrides.{key}", found, "nothing is changed by it", "warning")
            gathered.problems.append(problem)
        else:
            gathered.entries[key] = _changed(entry, fields)


def _changed(entry: _Entry, fields: Mapping[str, Any]) -> _Entry:
    """A shipped metric with some fields changed."""
    return replace(entry, definition=entry.definition.model_copy(update=dict(fields)))


def _check_graph(gathered: _Gathered) -> None:
    """Leave out definitions that read what does not exist or what reads them, then whatever reads a left-out one."""
    known = {key: entry.definition for key, entry in gathered.entries.items()}
    reads = {key: references(definition) for key, definition in known.items()}
    left_out = gathered.left_out
    for key, definition in known.items():
        entry = gathered.entries[key]
        if left_out.isdisjoint(reads[key]):
            for finding in check_references(definition, known):
                gathered.drop(key, entry.problem(finding.place, finding.found, finding.advice))
    for cycle in find_cycles({key: tuple(places) for key, places in reads.items()}):
        path = " → ".join(cycle)
        for key, following in pairwise(cycle):
            if (entry_of := gathered.entries.get(key)) is not None:
                advice = "break it: let one of them read something else"
                gathered.drop(key, entry_of.problem(reads[key][following], f"the cycle {path}", advice))
    while waiting := [key for key in gathered.entries if not gathered.left_out.isdisjoint(reads[key])]:
        for key in waiting:
            read = min(gathered.left_out & reads[key].keys())
            problem = gathered.entries[key].problem(
                reads[key][read], f"{read}, which is left out", f"mend {read} first"
            )
            gathered.drop(key, problem)


def _metrics(gathered: _Gathered) -> tuple[Metric, ...]:
    """The sound definitions with their versions, each after what it reads."""
    reads = {key: tuple(references(entry.definition)) for key, entry in gathered.entries.items()}
    metrics: dict[str, Metric] = {}
    for key in topological(reads):
        entry = gathered.entries[key]
        versions = {read: metrics[read].version for read in value_references(entry.definition)}
        version = definition_version(entry.definition, versions, gathered.code.get(key))
        line = entry.document.line(entry.place)
        metrics[key] = Metric(entry.definition, version, entry.managed_by, entry.document.file, line, reads[key])
    return tuple(metrics.values())


def _read_code(gathered: _Gathered, folder: Path) -> None:
    """Read the files of `python` metrics; their bytes are part of the version."""
    for key, entry in list(gathered.entries.items()):
        name = entry.definition.python_file
        if name is None:
            continue
        try:
            gathered.code[key] = (folder / name).read_bytes()
        except OSError as error:
            advice = f"write the function into {shown(folder / name)}"
            gathered.drop(key, entry.problem(("python_file",), f"{name} ({error.strerror})", advice))
