"""Checks against a plain recount of the same conversations, and every way in which a check can fail to say anything."""

from __future__ import annotations

import json
import operator
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.checks import Check
from pipeline.errors import NotFoundError, UserError
from pipeline.hourly import run_hour
from pipeline.reports.checks import CheckResult, Scope, evaluate_checks, select_checks
from pipeline.sample import write_sample
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window
from pipeline.workspace.catalogs import current_catalog

START = datetime(2026, 3, 12, 10, tzinfo=UTC)
END = START + timedelta(hours=5)
NOW = END + timedelta(minutes=40)
METRICS = """
definitions:
  - {key: score, name: Score, metric_type: numerical, source: call_intelligence, event_types: [call_intelligence.row],
     extract_path: $.score, aggregation: avg, channel_scope: voice}
  - {key: good, name: Good, metric_type: boolean, source: call_intelligence, event_types: [call_intelligence.row],
     extract_path: $.good, aggregation: rate}
  - {key: topics, name: Topics, metric_type: categorical, source: call_intelligence, multi_label: true,
     event_types: [call_intelligence.row], extract_path: $.topics, categories: [billing, booking, other]}
  - {key: pings, name: Pings, metric_type: numerical, source: world_events, event_types: [ping], aggregation: count}
  - {key: never_run, name: Never, metric_type: boolean, source: call_intelligence,
     event_types: [call_intelligence.row], extract_path: $.good, aggregation: rate}
  - {key: switched_off, name: Off, metric_type: boolean, source: call_intelligence, active: false,
     event_types: [call_intelligence.row], extract_path: $.good, aggregation: rate}
"""
Evaluate = Callable[..., CheckResult]


def conversations() -> list[dict[str, Any]]:
    """Sixty of them, in no order of anything."""
    draw = random.Random(7)
    return [
        {
            "id": f"c{n}",
            "started_at": START + timedelta(minutes=draw.randrange(290)),
            "channel": draw.choice(["voice", "voice", "text"]),
            "service_id": draw.choice(["front", "back"]),
            "traffic": draw.choice(["production", "production", "simulation"]),
            "run_id": draw.choice(["nightly", None]),
            "tags": draw.sample(["vip", "new", "old"], draw.randrange(3)),
            "score": draw.choice([None, *map(float, range(10))]),
            "good": draw.choice([True, True, False, None]),
            "topics": draw.sample(["billing", "booking", "other"], draw.randrange(1, 3)),
        }
        for n in range(60)
    ]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A store with those conversations, run for all metrics but `never_run`."""
    home = tmp_path_factory.mktemp("checks")
    settings = Settings(home=home, definitions=home / "definitions", landing=str(home / "landing"))
    for file, text in (("definitions/metrics/custom/c.yaml", METRICS), ("landing/events.ndjson", _events())):
        (home / file).parent.mkdir(parents=True)
        (home / file).write_text(text)
    run_hour(
        Store(settings),
        current_catalog(settings),
        settings,
        Window.ending(END, 24),
        keys=["score", "good", "topics", "pings"],
    )
    return settings


def _events() -> str:
    lines = []
    for each in conversations():
        shared = {
            "conversation_id": each["id"],
            **{name: each[name] for name in ("channel", "service_id", "traffic", "run_id", "tags")},
        }
        row = {name: each[name] for name in ("score", "good", "topics")}
        for event_type, minutes, data in (("call_intelligence.row", 0, row), ("ping", 1, {}), ("session.end", 2, {})):
            at = each["started_at"] + timedelta(minutes=minutes)
            lines.append({**shared, "event_type": event_type, "occurred_at": at.isoformat(), "data": data})
    return "\n".join(map(json.dumps, lines))


@pytest.fixture
def evaluate(project: Settings) -> Evaluate:
    catalog = current_catalog(project)

    def one(metric: str, *, scope: Scope = Scope(None, START, END), now: datetime = NOW, **fields: Any) -> CheckResult:  # noqa: B008
        check = Check.model_validate({"name": "it", "metric": metric, "min_coverage": 0, **fields})
        with Store(project).read() as con:
            (result,) = evaluate_checks(con, project.workspace_id, catalog, [check], scope, now)
        return result

    return one


OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@pytest.mark.parametrize("sign", OPERATORS)
@pytest.mark.parametrize(
    "filters",
    [{}, {"service": "front"}, {"traffic": "simulation"}, {"tags": ["vip", "old"]}, {"run_id": "nightly"}],
    ids=["all", "service", "traffic", "tags", "run"],
)
def test_a_pass_rate_is_that_of_a_recount(evaluate: Evaluate, sign: str, filters: dict[str, Any]) -> None:
    found = evaluate("score", condition={"operator": sign, "value": 5}, **filters)
    inside = [
        each
        for each in conversations()
        if ("run_id" in filters and "traffic" not in filters) or each["traffic"] == filters.get("traffic", "production")
        if filters.get("service", each["service_id"]) == each["service_id"]
        if filters.get("run_id", each["run_id"]) == each["run_id"]
        if "tags" not in filters or set(filters["tags"]) & set(each["tags"])
    ]
    applicable = [each for each in inside if each["channel"] == "voice"]
    values = [each["score"] for each in applicable if each["score"] is not None]
    passing = [value for value in values if OPERATORS[sign](value, 5)]
    assert (found.eligible, found.n, found.passed_count) == (len(inside), len(values), len(passing))
    assert found.value == pytest.approx(len(passing) / len(values))
    assert found.coverage == pytest.approx(len(values) / len(applicable))
    below = "BELOW_MIN_PASS_RATE" if found.interval_high < 0.8 else "UNDECIDED"
    assert found.verdict == ("PASSED" if found.value >= 0.8 else below)
    assert found.interval_low <= found.value <= found.interval_high
    assert sum(found.states.values()) == found.eligible


def test_booleans_and_labels(evaluate: Evaluate) -> None:
    production = [each for each in conversations() if each["traffic"] == "production"]
    good = [each["good"] for each in production if each["good"] is not None]
    assert evaluate("good").value == pytest.approx(sum(good) / len(good))
    assert evaluate("good", condition={"operator": "==", "value": False}).passed_count == good.count(False)
    billing = [each for each in production if "billing" in each["topics"]]
    assert evaluate("topics", condition={"operator": "==", "value": "billing"}).passed_count == len(billing)
    rest = evaluate("topics", condition={"operator": "!=", "value": "billing"})
    assert rest.passed_count == rest.n - len(billing)


def test_the_value_of_a_period(evaluate: Evaluate) -> None:
    pings = sum(each["traffic"] == "production" for each in conversations())
    found = evaluate("pings", over="period", condition={"operator": ">=", "value": pings})
    assert (found.verdict, found.value, found.min_pass_rate) == ("PASSED", pings, None)
    found = evaluate("pings", over="period", condition={"operator": "<", "value": pings})
    assert (found.verdict, found.reason) == ("BELOW_MIN_PASS_RATE", f"{pings} is not < {pings}.")
    mean = evaluate("score", over="period", condition={"operator": ">", "value": -1}, service="front")
    values = [
        each["score"]
        for each in conversations()
        if each["traffic"] == "production" and each["channel"] == "voice" and each["service_id"] == "front"
        if each["score"] is not None
    ]
    assert mean.value == pytest.approx(sum(values) / len(values))


def test_a_share_below_the_limit_is_bad_only_where_its_interval_says_so(evaluate: Evaluate) -> None:
    """The same conversations against limits around their interval; one failure is proof that not all pass."""
    share = evaluate("good").value
    low, high = evaluate("good").interval_low, evaluate("good").interval_high
    assert 0 < low < share < high < 1
    for limit, verdict in (
        (low, "PASSED"),
        (share, "PASSED"),
        (share + 1e-6, "UNDECIDED"),
        (high, "UNDECIDED"),
        (high + 1e-6, "BELOW_MIN_PASS_RATE"),
        (1, "BELOW_MIN_PASS_RATE"),
    ):
        found = evaluate("good", min_pass_rate=limit)
        assert (found.verdict, found.failed) == (verdict, verdict != "PASSED"), (limit, found.reason)
    assert "too few to tell" in evaluate("good", min_pass_rate=high).reason


@pytest.mark.parametrize("sign", OPERATORS)
def test_the_side_of_a_period_that_is_bad_is_the_operators(evaluate: Evaluate, sign: str) -> None:
    """A mean against a limit below, at the ends of, inside and above its interval."""
    seen = evaluate("score", over="period", condition={"operator": "<", "value": 1000})
    low, high = seen.interval_low, seen.interval_high
    for limit, inside in (
        (low - 0.1, False),
        ((low + seen.value) / 2, True),
        ((high + seen.value) / 2, True),
        (high + 0.1, False),
    ):
        found = evaluate("score", over="period", condition={"operator": sign, "value": limit})
        missed = "UNDECIDED" if inside else "BELOW_MIN_PASS_RATE"
        assert found.verdict == ("PASSED" if OPERATORS[sign](seen.value, limit) else missed), (limit, found.reason)
    assert evaluate("score", over="period", condition={"operator": "!=", "value": seen.value}).verdict == "UNDECIDED"


def test_a_mean_without_an_interval_fails_undecided(evaluate: Evaluate) -> None:
    """One conversation tells nothing of the next; the number of pings is exact all the same."""
    for first in range(290):
        scope = Scope(None, START + timedelta(minutes=first), START + timedelta(minutes=first + 1))
        found = evaluate("score", over="period", scope=scope, condition={"operator": ">", "value": 100})
        if found.n == 1:
            break
    assert (found.n, found.interval_low, found.verdict, found.failed) == (1, None, "UNDECIDED", True)
    assert found.reason.endswith("it has no interval: too few values to tell.")


def test_what_could_not_be_checked_fails_with_a_verdict_of_its_own(evaluate: Evaluate) -> None:
    """Each is a failure that is not one of quality."""

    def verdict(*arguments: Any, **fields: Any) -> tuple[str, str]:
        found = evaluate(*arguments, **fields)
        assert found.failed
        return found.verdict, found.reason

    always = {"condition": {"operator": ">=", "value": 0}}
    assert verdict("good", service="nobody") == ("NOT_EVALUATED", "There was nothing to check.")
    assert verdict("good", scope=Scope(run_id="unheard of")) == ("NOT_EVALUATED", "There was nothing to check.")
    assert verdict("score", channel="text", **always)[0] == "NOT_EVALUATED"
    assert verdict("score", channel="text", **always)[1].startswith("No value: not_applicable ")
    assert verdict("switched_off") == ("NOT_EVALUATED", "switched_off is switched off.")
    assert verdict("score", min_coverage=1, **always)[0] == "INCOMPLETE_COVERAGE"
    assert verdict("score", min_conversations=1000, **always)[0] == "INCOMPLETE_COVERAGE"
    assert verdict("score", over="period", scope=Scope(run_id="nightly"), **always)[0] == "NOT_EVALUATED"
    assert verdict("never_run")[0] == "RUN_NOT_COMPLETED"
    never = verdict("never_run", scope=Scope(run_id="nightly"), now=datetime.now(UTC))
    assert never[0] == "RUN_NOT_COMPLETED"
    assert never[1].startswith("No run has looked at ")
    assert verdict("never_run", service="nobody")[0] == "RUN_NOT_COMPLETED"


def test_hours_that_are_due_must_be_done(evaluate: Evaluate) -> None:
    scope = Scope(None, START, END + timedelta(hours=2))
    # The hour after END closes at END + 1 h and may be an hour late.
    for minutes, expected in ((119, "PASSED"), (121, "RUN_NOT_COMPLETED")):
        found = evaluate("good", min_pass_rate=0, scope=scope, now=END + timedelta(minutes=minutes))
        assert found.verdict == expected, found.reason


def test_a_warning_fails_nothing(evaluate: Evaluate) -> None:
    found = evaluate("good", service="nobody", severity="warning")
    assert not found.passed
    assert not found.failed


def test_a_scope_is_a_run_or_a_span() -> None:
    assert Scope.of(NOW, None, None, None, None) == Scope(None, END - timedelta(hours=24), END)
    assert Scope.of(NOW, None, None, None, timedelta(days=7)) == Scope(None, END - timedelta(days=7), END)
    assert Scope.of(NOW, "nightly", None, None, None) == Scope("nightly")
    for wrong in (("nightly", START, None, None), (None, START, None, timedelta(1)), (None, END, START, None)):
        with pytest.raises(UserError):
            Scope.of(NOW, *wrong)


def test_checks_are_chosen_by_name_and_set(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, definitions=tmp_path / "definitions")
    catalog = current_catalog(settings)
    safety = select_checks(catalog, ["safety"])
    assert {"high_risk_check", "safety_match_check"} <= {check.name for check in safety}
    assert [check.name for check in select_checks(catalog, ["completed_check", "completed_check"])] == [
        "completed_check"
    ]
    with pytest.raises(NotFoundError, match="Did you mean completed_check"):
        select_checks(catalog, ["complete_check"])
    with pytest.raises(NotFoundError, match="no check of your own"):
        select_checks(catalog, [])
    with pytest.raises(NotFoundError, match="safety"):
        select_checks(catalog, ["safety"], visible=["call_count"])
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "checks.yaml").write_text("checks: [{name: mine, metric: completed_rate}]")
    assert [check.name for check in select_checks(current_catalog(settings), [])] == ["mine"]


@pytest.mark.both_stores
def test_the_shipped_checks_say_something_about_the_sample(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, definitions=tmp_path / "definitions")
    write_sample(tmp_path, end=END, conversations=120)
    catalog, store = current_catalog(settings), Store(settings)
    checks = list(catalog.checks.values())
    keys = sorted({check.metric for check in checks})
    run_hour(store, catalog, settings, Window.ending(END, 24), keys=keys)
    with store.read() as con:
        scope = Scope(None, END - timedelta(hours=24), END)
        results = evaluate_checks(con, settings.workspace_id, catalog, checks, scope, NOW)
    assert {result.name: (result.verdict, result.reason) for result in results if not result.passed} == {}
    assert all(result.n > 0 for result in results)
