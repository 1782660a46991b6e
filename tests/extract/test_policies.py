"""Policies in runs: who is left out and why, forward only, and never at the cost of a value that is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.extract import ExtractReport, MetricOutcome
from pipeline.hourly import backfill, run_hour
from pipeline.settings import Settings
from pipeline.settings_models import Models
from pipeline.store import Store
from pipeline.window import Window
from pipeline.workspace.catalogs import current_catalog

END = datetime(2026, 3, 12, 15, tzinfo=UTC)
METRICS = """
definitions:
  - {key: score, name: Score, metric_type: numerical, source: call_intelligence, event_types: [call_intelligence.row],
     extract_path: $.score, aggregation: avg}
  - {key: free, name: Free, metric_type: numerical, source: call_intelligence, event_types: [call_intelligence.row],
     extract_path: $.score, aggregation: avg}
"""
VOICE = "{property: channel, operator: EQUALS, value: voice}"
TEXT = "{property: channel, operator: EQUALS, value: text}"


class Project:
    """A store with three conversations (voice, text, and an old chat), and what its runs leave of `score`."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(home=folder / "home", definitions=folder / "definitions", landing=str(folder / "in"))
        self.store = Store(self.settings)
        (folder / "definitions/metrics/custom").mkdir(parents=True)
        (folder / "definitions/metrics/custom/c.yaml").write_text(METRICS)
        (folder / "in").mkdir()
        for name, channel, hours in (("v", "voice", 2), ("t", "text", 2), ("old", "text", 9)):
            self.arrive(name, channel, hours, 7)

    def arrive(self, name: str, channel: str, hours: int, score: int) -> None:
        at = END - timedelta(hours=hours) + timedelta(minutes=score)
        shared = {"conversation_id": name, "channel": channel, "occurred_at": at.isoformat()}
        events = [
            {**shared, "event_type": "call_intelligence.row", "data": {"score": score, "tier": {"name": "gold"}}},
            {**shared, "event_type": "session.end", "data": {}},
        ]
        file = Path(self.settings.landing_url) / f"{name}{score}.ndjson"
        file.write_text("\n".join(map(json.dumps, events)))

    def policy(self, *conditions: str, active_from: str = "2026-03-12T08:00:00Z") -> None:
        groups = ", ".join(f"{{all_of: [{condition}]}}" for condition in conditions)
        text = f"policies: [{{name: some, metrics: [sc*], active_from: {active_from}, any_of: [{groups}]}}]"
        (self.settings.definitions / "policies.yaml").write_text(text)

    def run(self, how: Callable[..., object] = run_hour) -> dict[str, tuple[str, float | None]]:
        catalog = current_catalog(self.settings)
        assert not catalog.errors
        window = Window.ending(END, 24)
        where = window if how is run_hour else [window]
        report = how(self.store, catalog, self.settings, where, keys=["score", "free"])
        extracted: ExtractReport = report.extracts[0]  # type: ignore[attr-defined]
        for outcome in extracted.outcomes:
            assert outcome.eligible == sum(outcome.states.values()) == 3
            assert outcome.key == "score" or outcome.states == {"ok": 3}
        with self.store.read() as con:
            rows = con.execute(
                "SELECT entity_id, status, value_number FROM metric_values WHERE metric_key = 'score'"
            ).fetchall()
        return {name: (status, value) for name, status, value in rows}

    def one(self, query: str) -> object:
        with self.store.read() as con:
            return con.execute(query).fetchall()[0][0]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


NA = ("not_applicable", None)


def test_who_is_left_out_is_not_applicable_with_the_policys_name(project: Project) -> None:
    project.policy(VOICE)
    # `old` ended before the policy became active.
    assert project.run() == {"v": ("ok", 7), "t": NA, "old": ("ok", 7)}
    why = "SELECT error FROM metric_values WHERE entity_id = 't' AND metric_key = 'score'"
    assert project.one(why) == "left out by policy some"
    periods = "FROM current_periods WHERE metric_key = 'score' AND granularity = 'day' AND service_id IS NULL"
    assert project.one(f"SELECT (eligible_count, event_count, not_applicable_count, coverage) {periods}") == (
        3,
        2,
        1,
        1,
    )


def test_a_changed_policy_recomputes_nothing_until_a_backfill(project: Project) -> None:
    project.policy(VOICE)
    project.run()
    project.policy(VOICE, TEXT)
    assert project.run()["t"] == NA
    assert project.run(backfill)["t"] == ("ok", 7)
    # One that leaves out what has a value deletes nothing, and pays for nothing again.
    project.policy(TEXT)
    computed = "SELECT computed_at FROM metric_values WHERE entity_id = 'v' AND metric_key = 'score'"
    before = project.one(computed)
    for how in (run_hour, backfill):
        assert project.run(how)["v"] == ("ok", 7)
    assert project.one(computed) == before
    # Not even where the conversation has grown: the value of earlier content stays until it is in again.
    project.arrive("v", "voice", 2, 9)
    assert project.run()["v"] == ("ok", 7)
    (project.settings.definitions / "policies.yaml").unlink()
    assert project.run()["v"] == ("ok", 9)


def test_without_its_policy_a_metric_runs_on_everything_again(project: Project) -> None:
    project.policy("{property: tier.name, operator: EQUALS, value: silver}", active_from="2026-01-01T00:00:00Z")
    assert project.run() == {"v": NA, "t": NA, "old": NA}
    (project.settings.definitions / "policies.yaml").write_text("policies: []")
    assert project.run() == {"v": NA, "t": NA, "old": NA}
    assert project.run(backfill) == {"v": ("ok", 7), "t": ("ok", 7), "old": ("ok", 7)}


ASKING = """
  - {key: asked, name: Asked, metric_type: boolean, source: call_intelligence, event_types: [call_intelligence.row],
     extraction_mode: ai_query, ai_query_prompt: "Was the caller greeted?", aggregation: rate}
"""
POLICIES, OVERRIDES = "policies.yaml", "metrics/overrides.yaml"
BROKEN = {
    "not YAML": (POLICIES, "policies: ["),
    "a field that is not known": (
        POLICIES,
        "policies: [{name: p, metric: [asked], active_from: 2026-01-01T00:00:00Z}]",
    ),
    "a metric that is not known": (
        POLICIES,
        "policies: [{name: p, metrics: [askd], active_from: 2026-01-01T00:00:00Z}]",
    ),
    "overrides that are not YAML": (OVERRIDES, "overrides: {csat_score: {active: false}"),
    "an override that is none": (OVERRIDES, "overrides: {csat_score: {active: maybe}}"),
    "an override of nothing": (OVERRIDES, "overrides: {csat_scores: {active: false}}"),
}


@pytest.mark.parametrize(("name", "text"), BROKEN.values(), ids=BROKEN.keys())
def test_while_a_policy_or_an_override_cannot_be_used_no_model_is_asked(project: Project, name: str, text: str) -> None:
    file = project.settings.definitions / name
    custom = project.settings.definitions / "metrics/custom/c.yaml"
    custom.write_text(METRICS + ASKING)
    # Nothing listens there: a call would end in faults of the endpoint, which no ledger row calls a failure.
    nowhere = Models.model_validate({"default": {"base_url": "http://127.0.0.1:9/v1", "model": "m"}})
    settings = project.settings.model_copy(update={"models": nowhere})

    def outcomes(text: str, *, dry_run: bool = False) -> dict[str, MetricOutcome]:
        file.write_text(text)
        keys, window = ["score", "asked"], Window.ending(END, 24)
        report = run_hour(project.store, current_catalog(settings), settings, window, keys=keys, dry_run=dry_run)
        return {outcome.key: outcome for outcome in report.extracts[0].outcomes}

    for dry_run in (False, True):
        found = outcomes(text, dry_run=dry_run)
        assert found["score"].states == {"ok": 3}
        assert f"cannot be used; mend definitions/{name}" in (found["asked"].failure or "")
    assert project.one("SELECT error_count FROM extraction_runs WHERE metric_key = 'asked'") == 3
    assert project.one("SELECT failure LIKE 'No model is asked%' FROM extraction_runs WHERE metric_key = 'asked'")
    mended = outcomes(f"{file.stem}: {'[]' if name == POLICIES else '{}'}", dry_run=True)["asked"]
    assert (mended.failure, mended.computed) == (None, 3)


def test_a_policy_of_a_definition_that_is_left_out_holds_for_the_others(project: Project) -> None:
    (project.settings.definitions / "metrics/custom/d.yaml").write_text("definitions: [{key: gone, name: Gone}]")
    text = "policies: [{name: p, metrics: [gone, score], active_from: 2026-01-01T00:00:00Z}]"
    (project.settings.definitions / "policies.yaml").write_text(text)
    catalog = current_catalog(project.settings)
    assert {problem.file.rpartition("/")[2] for problem in catalog.errors} == {"d.yaml"}
    assert [policy.name for policy in catalog.policies] == ["p"]
