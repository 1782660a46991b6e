"""Custom definitions that change without a deploy: replaced and validated as a whole, kept in every revision."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import duckdb
import orjson
from pydantic import ValidationError

from pipeline.catalog.catalog import Catalog, Metric, Problem
from pipeline.catalog.diff import refuse_type_changes
from pipeline.catalog.loading import SENT, Override
from pipeline.catalog.models import MetricDefinition
from pipeline.errors import ConflictError, DefinitionsRefusedError, UnknownMetricError
from pipeline.extract.registry import stored_definitions
from pipeline.reports.readable import needs_transcripts
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.control import control_transaction
from pipeline.workspace import audit
from pipeline.workspace.catalogs import load_workspace_catalog

OVERRIDABLE = ("active", "freshness_sla_minutes")
"""What may be changed about a metric that is shipped."""

_OURS = frozenset({"id", "builtin", "managed_by", "version", "file"})
"""Fields of a definition that are answered and never set; a client may send them back."""

_SECRET = re.compile(
    r"\b(sk|pk|rk|ms|whsec|ghp|xox[abp])[-_][A-Za-z0-9_\-]{20,}|\bAKIA[A-Z0-9]{16}\b|://[^/@\s:]+:[^/@\s]+@"
)
"""Credentials: of model providers and ours, of clouds, inside URLs."""

_ATTEMPTS = 5

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Revision:
    """All custom definitions as they were after one change.

    Attributes:
        revision: counts from 1; 0 is the state before the first change.
        definitions: the custom ones, without what equals its default.
        overrides: changes to built-in metrics by key.
        diff: what this change added, removed and changed.
    """

    revision: int = 0
    changed_at: datetime | None = None
    changed_by: str | None = None
    action: str | None = None
    definitions: tuple[dict[str, Any], ...] = ()
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    diff: dict[str, Any] = field(default_factory=dict)


def read_revisions(con: duckdb.DuckDBPyConnection, workspace_id: str, limit: int | None = None) -> list[Revision]:
    """The newest revisions first."""
    rows = con.execute(
        "SELECT revision, changed_at, changed_by, action, definitions, overrides, diff FROM settings_revisions "
        "WHERE workspace_id = ? ORDER BY revision DESC LIMIT ?",
        [workspace_id, limit],
    ).fetchall()
    return [
        Revision(number, at, who, action, tuple(orjson.loads(sent)), orjson.loads(overrides), orjson.loads(diff))
        for number, at, who, action, sent, overrides, diff in rows
    ]


def current_revision(con: duckdb.DuckDBPyConnection, workspace_id: str) -> Revision:
    """The revision in force."""
    return next(iter(read_revisions(con, workspace_id, 1)), Revision())


@dataclass(frozen=True)
class Change:
    """What somebody asks for.

    Attributes:
        definitions: the custom definitions from now on; None keeps them.
        put: definitions to add, or to put in the place of those with the same key.
        active: metrics to switch on or off, by key.
        delete: keys of custom definitions to remove.
    """

    action: str
    definitions: Sequence[Entry] | None = None
    put: Sequence[Entry] = ()
    active: Mapping[str, bool] = field(default_factory=dict)
    delete: Sequence[str] = ()
    overrides: Mapping[str, dict[str, Any]] | None = None


def change_settings(
    settings: Settings,
    store: Store,
    workspace_id: str,
    change: Change,
    base: Revision,
    *,
    actor: str,
    now: datetime,
    expected: int | None = None,
    dry_run: bool = False,
    transcripts: bool = True,
) -> Revision:
    """Validate a change as a whole and, unless it is a dry run, make it the revision in force.

    Validation reads files and takes no lock; if somebody else was quicker it is done again on what they left.

    Args:
        settings: of the deployment.
        store: where the revision is written.
        workspace_id: whose definitions.
        change: what is asked for.
        base: the revision in force as far as the caller knows.
        actor: who asks, for the history.
        now: the instant of the change.
        expected: refuse unless this is the revision in force.
        dry_run: validate and compare only.
        transcripts: whether who asks may read what was said, and so may ask for it.

    Raises:
        DefinitionsRefusedError: with every problem; nothing was changed.
        ConflictError: the revision in force is not the expected one.
        UnknownMetricError: a key to delete is no custom definition.
    """
    for _ in range(_ATTEMPTS):
        if expected is not None and base.revision != expected:
            raise ConflictError(
                f"The settings are at revision {base.revision}, not {expected}: somebody changed them. "
                "Read them again and repeat the change."
            )
        wanted, catalog, places = _apply(settings, workspace_id, change, base)
        if not transcripts:
            _refuse_quotes(wanted, base, catalog, places)
        if dry_run:
            return wanted
        with control_transaction(store) as con:
            found = current_revision(con, workspace_id)
            if found.revision == base.revision:
                _check_types(con, workspace_id, catalog, places)
                saved = Revision(base.revision + 1, now, actor, change.action, *_content(wanted))
                _insert(con, workspace_id, saved)
                audit.record(con, workspace_id, actor, change.action, "metrics", now, saved.diff)
                return saved
        base = found
    raise ConflictError("The settings were changed by others each time this change was about to be saved. Try again.")


def restore(revision: Revision) -> Change:
    """The change that brings a revision's content back."""
    return Change("settings.restore", definitions=revision.definitions, overrides=revision.overrides)


def _apply(
    settings: Settings, workspace_id: str, change: Change, base: Revision
) -> tuple[Revision, Catalog, list[int]]:
    """The revision that a change would make, its catalog, and where each custom definition stood in what was sent."""
    entries = _entries(change, base)
    fixed = load_workspace_catalog(settings, workspace_id).by_key
    overrides = dict(base.overrides if change.overrides is None else change.overrides)
    custom: list[dict[str, Any]] = []
    places: list[int] = []
    problems: list[Problem] = []
    for place, entry in enumerate(entries):
        body = {name: value for name, value in entry.items() if name not in _OURS}
        key = body.get("key")
        metric = fixed.get(key) if isinstance(key, str) else None
        problems += [_secret_problem(place, name) for name, value in body.items() if _SECRET.search(str(value))]
        if metric is None or (metric.managed_by == "library" and _forbidden(body, metric)):
            custom.append(body)
            places.append(place)
        elif forbidden := _forbidden(body, metric):
            problems.append(_fixed_problem(place, forbidden, metric))
        elif wrong := _override_problems(place, body):
            problems += wrong
        elif metric.shipped:
            overrides[metric.key] = _override(body, metric.definition, overrides.get(metric.key, {}))
    overrides = {key: fields for key, fields in overrides.items() if fields}
    catalog = load_workspace_catalog(settings, workspace_id, custom, overrides)
    known = load_workspace_catalog(settings, workspace_id, base.definitions, base.overrides).errors
    problems.extend(
        _placed(problem, places)
        for problem in catalog.errors
        if problem.file == SENT or problem not in known  # a built-in switched off that a file's formula reads
    )
    if problems:
        raise DefinitionsRefusedError(problems)
    # In one form, however they were sent: what equals its default is left out.
    sent = [catalog.get(body["key"]).definition for body in custom]
    definitions = tuple(definition.model_dump(mode="json", exclude_defaults=True) for definition in sent)
    diff = _diff(base.definitions, base.overrides, definitions, overrides)
    return Revision(base.revision, definitions=definitions, overrides=overrides, diff=diff), catalog, places


def _check_types(con: duckdb.DuckDBPyConnection, workspace_id: str, catalog: Catalog, places: list[int]) -> None:
    """Refuse a definition whose key has had values of another type."""
    checked = refuse_type_changes(catalog, stored_definitions(con, workspace_id)[0])
    found = [problem for problem in checked.problems if problem not in catalog.problems and problem.file == SENT]
    if found:
        raise DefinitionsRefusedError([_placed(problem, places) for problem in found])


def _entries(change: Change, base: Revision) -> list[Entry]:
    """What the whole list would be, with the change made."""
    entries = list(base.definitions if change.definitions is None else change.definitions)
    for entry in change.put:
        place = next((at for at, old in enumerate(entries) if old.get("key") == entry.get("key")), len(entries))
        entries[place : place + 1] = [entry]
    for key in change.delete:
        if not any(entry.get("key") == key for entry in entries):
            raise UnknownMetricError(
                f"No custom definition that came over HTTP has the key {key!r}; nothing was changed."
            )
        entries = [entry for entry in entries if entry.get("key") != key]
    for key, active in change.active.items():
        place = next((at for at, old in enumerate(entries) if old.get("key") == key), len(entries))
        old = entries[place] if place < len(entries) else {"key": key}
        entries[place : place + 1] = [{**old, "active": active}]
    return entries


def _forbidden(body: Entry, metric: Metric) -> list[str]:
    """Fields of a built-in or file definition that a change would alter and may not."""
    known = metric.definition.model_dump(mode="json")
    changed = [name for name, value in body.items() if name not in known or known[name] != value]
    allowed = OVERRIDABLE if metric.shipped else ()
    return [name for name in changed if name not in allowed]


def _override_problems(place: int, body: Entry) -> list[Problem]:
    try:
        Override.model_validate({name: body[name] for name in OVERRIDABLE if name in body}, strict=True)
    except ValidationError as error:
        return [
            Problem(
                SENT, None, f"definitions[{place}].{problem['loc'][0]}", repr(problem["input"])[:80], problem["msg"]
            )
            for problem in error.errors()
        ]
    return []


def _override(body: Entry, definition: MetricDefinition, old: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {name: body.get(name, old.get(name)) for name in OVERRIDABLE}
    return {name: value for name, value in wanted.items() if value not in (None, getattr(definition, name))}


def _fixed_problem(place: int, fields: list[str], metric: Metric) -> Problem:
    if metric.shipped:
        advice = f"built-in keys are read-only: change only {' and '.join(OVERRIDABLE)}, or choose another key"
    else:
        advice = f"this key is managed by the file {metric.file}: change it there, or choose another key"
    return Problem(SENT, None, f"definitions[{place}].key", f"{metric.key!r} with its own {fields}", advice)


def _refuse_quotes(wanted: Revision, base: Revision, catalog: Catalog, places: list[int]) -> None:
    """Refuse what is new and would tell somebody what was said who may not read it.

    Raises:
        DefinitionsRefusedError: naming each.
    """
    known = [dict(definition) for definition in base.definitions]
    problems = [
        Problem(SENT, None, f"definitions[{place}].key", reason, "use a key that may read transcripts")
        for place, definition in zip(places, wanted.definitions, strict=True)
        if definition not in known and (reason := needs_transcripts(catalog.get(definition["key"]).definition))
    ]
    if problems:
        raise DefinitionsRefusedError(problems)


def _secret_problem(place: int, name: str) -> Problem:
    advice = "name an endpoint of the settings, which say in which environment variable its key is"
    return Problem(SENT, None, f"definitions[{place}].{name}", "what looks like a key or password", advice)


def _placed(problem: Problem, places: list[int]) -> Problem:
    """A problem, told by its place in what was sent; one of a file names the file."""
    if problem.file != SENT:
        where = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
        return replace(problem, field="definitions", found=f"{problem.found} ({where}, {problem.field})")
    match = re.match(r"definitions\[(\d+)\]", problem.field)
    if match is None or int(match[1]) >= len(places):
        return problem
    return replace(problem, field=f"definitions[{places[int(match[1])]}]{problem.field[match.end() :]}")


def _diff(
    old: Sequence[Entry],
    old_overrides: Mapping[str, Entry],
    new: Sequence[Entry],
    new_overrides: Mapping[str, Entry],
) -> dict[str, Any]:
    before = {**{entry["key"]: entry for entry in old}, **old_overrides}
    after = {**{entry["key"]: entry for entry in new}, **new_overrides}
    changed = {
        key: {
            name: {"from": before[key].get(name), "to": after[key].get(name)}
            for name in sorted({*before[key], *after[key]})
            if before[key].get(name) != after[key].get(name)
        }
        for key in sorted(before.keys() & after.keys())
    }
    return {
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": {key: fields for key, fields in changed.items() if fields},
    }


def _content(revision: Revision) -> tuple[tuple[dict[str, Any], ...], dict[str, dict[str, Any]], dict[str, Any]]:
    return revision.definitions, revision.overrides, revision.diff


def _insert(con: duckdb.DuckDBPyConnection, workspace_id: str, saved: Revision) -> None:
    content = (orjson.dumps(part).decode() for part in _content(saved))
    con.execute(
        "INSERT INTO settings_revisions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [workspace_id, saved.revision, saved.changed_at, saved.changed_by, saved.action, *content],
    )
