"""The library of metrics beyond the built-ins: sound, described, switched off where it costs, and listed as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.catalog import Catalog, Metric, load_catalog
from pipeline.catalog.models import MetricDefinition
from pipeline.catalog.references import references
from pipeline.settings import Settings, builtin_definitions

METRICS = builtin_definitions() / "metrics"
READ = {"Judged voicemail": ["Voicemail and screening"]}
"""Groups whose metrics read those of another that is switched off."""
TYPES = {"numerical": "number", "boolean": "boolean", "categorical": "category"}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The catalog of somebody who has no definitions of their own."""
    return load_catalog(Settings(definitions=tmp_path_factory.mktemp("empty")))


@pytest.fixture(scope="module")
def library(shipped: Catalog) -> tuple[Metric, ...]:
    return tuple(metric for metric in shipped.metrics if metric.managed_by == "library")


def test_every_entry_of_every_file_is_in_the_catalog(shipped: Catalog, library: tuple[Metric, ...]) -> None:
    files = (METRICS / "library").glob("*.yaml")
    written = [key for path in files for key in re.findall(r"^  - key: (\w+)$", path.read_text("utf-8"), re.M)]
    assert not shipped.problems
    assert len(written) == len(set(written)) > 200
    assert {metric.key for metric in library} == set(written)


def test_what_costs_money_is_switched_off(shipped: Catalog, library: tuple[Metric, ...]) -> None:
    """A judged metric, and whatever reads one."""
    costly = {metric.key for metric in library if metric.definition.judged}
    assert len(costly) > 40
    costly |= {metric.key for metric in library if costly & references(metric.definition).keys()}
    assert not costly & {metric.key for metric in shipped.active}


def test_every_entry_can_be_understood(library: tuple[Metric, ...]) -> None:
    for metric in library:
        definition = metric.definition
        assert None not in (definition.description, definition.unit, definition.group), metric.key
        if definition.metric_type == "boolean":
            assert definition.aggregation in ("rate", "count"), metric.key
        reads_a_number = (
            definition.metric_type == "numerical" and definition.extract_path and definition.fold != "count"
        )
        if reads_a_number:
            assert definition.valid_range_min is not None, metric.key
            assert definition.valid_range_max is not None, metric.key


def test_judged_entries_have_a_rubric_and_say_when_they_do_not_apply(library: tuple[Metric, ...]) -> None:
    for definition in (metric.definition for metric in library if metric.definition.judged):
        prompt = definition.ai_query_prompt or definition.prompt or ""
        assert len(prompt) > 100, definition.key
        guarded = definition.source_filter or definition.gate
        assert guarded or "does not apply" in prompt, definition.key
        # A path into the summary without a text for its absence needs a filter that keeps the others out.
        for name in re.findall(r"\{\$\.(\w+)\}", prompt):
            assert definition.source_filter == f"intelligence.{name} IS NOT NULL", definition.key


@pytest.mark.parametrize("path", sorted((METRICS / "library").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_group_can_be_switched_on_by_itself(path: Path, settings: Settings) -> None:
    (group,) = set(re.findall(r"^    group: (.+)$", path.read_text("utf-8"), re.M))
    overrides = settings.definitions / "metrics" / "overrides.yaml"
    overrides.parent.mkdir(parents=True)
    groups = [group, *READ.get(group, ())]
    lines = "".join(f"  {name}: {{active: true}}\n" for name in groups)
    overrides.write_text(f"groups:\n{lines}", encoding="utf-8")
    catalog = load_catalog(settings)
    assert not catalog.errors
    members = [metric for metric in catalog.metrics if metric.definition.group == group]
    assert members
    assert all(metric.definition.active for metric in members)


def test_the_table_says_what_the_files_say(shipped: Catalog) -> None:
    text = (METRICS / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \| ([\w ]+) \| (yes|no) \| (.+?) \| (?:.+ )?\|$", text, re.M)
    assert {row[0]: row[1:5] for row in rows} == {metric.key: _listed(metric.definition) for metric in shipped.metrics}
    assert len(rows) == len(shipped.metrics)
    assert all(needs.strip() for *_, needs in rows)


def _listed(definition: MetricDefinition) -> tuple[str, str, str, str]:
    role = {"user": "caller"}.get(definition.participant_role or "", definition.participant_role)
    scope = "event" if definition.event_level else definition.scope + (f" of the {role}" if role else "")
    active = "yes" if definition.active else "no"
    return TYPES[definition.metric_type], definition.unit or "", scope, active


def test_judged_prompts_are_not_those_of_others(library: tuple[Metric, ...]) -> None:
    """No two ask the same, and none asks for a bare output format, which the engine adds."""
    prompts = [d.ai_query_prompt or d.prompt for d in (m.definition for m in library) if d.judged]
    assert len(set(prompts)) == len(prompts)
    assert not [prompt for prompt in prompts if re.search(r"respond with|output only", prompt or "", re.I)]
