"""Every shipped metric says something about the sample or a real set, or is named here with what it lacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.aggregate import aggregate
from pipeline.catalog import Catalog, load_catalog
from pipeline.extract import extract
from pipeline.ingest import ingest
from pipeline.sample import write_sample
from pipeline.sample.judge_server import sample_judge
from pipeline.settings import Settings, builtin_definitions
from pipeline.store import Store
from pipeline.window import HOUR, Window, floor_hour

END = datetime(2026, 3, 12, 15, tzinfo=UTC)
REAL = {
    "contact_lens": "vendor-samples/amazon-connect-contact-lens",
    "tau2": "tau2/text/gpt-4.1_airline_default.json.gz",
}
"""Real sets by mapping, for what the sample lacks: the agent's sentiment; what a simulated caller costs."""

_IN_SUMMARY = "a field of a provided summary that no set has"
_WRITTEN = "the agents of no set write it"
WITHOUT_DATA = {
    "agent_expectations": _IN_SUMMARY,
    "compliance_disclosure_completeness": _IN_SUMMARY,
    "compliance_scope_adherence": _IN_SUMMARY,
    "expected_outcome": _IN_SUMMARY,
    "hallucination": _IN_SUMMARY,
    "instruction_follow": _IN_SUMMARY,
    "knowledge_grounding_score": _IN_SUMMARY,
    "knowledge_missed_answer": _IN_SUMMARY,
    "property_transcript_mismatch": _IN_SUMMARY,
    "scenario_adherence": _IN_SUMMARY,
    "simulation_score": _IN_SUMMARY,
    "terminal_reached": _IN_SUMMARY,
    "tool_invocation_correct": _IN_SUMMARY,
    "tool_invocation_order_correct": _IN_SUMMARY,
    "tool_invocation_parameters_correct": _IN_SUMMARY,
    "tool_invocation_result_correct": _IN_SUMMARY,
    "transcription_discrepancy": _IN_SUMMARY,
    "csat_accepted": _WRITTEN,
    "csat_completed": _WRITTEN,
    "csat_offered": _WRITTEN,
    "handoff_reason": _WRITTEN,
    "handoff_to": _WRITTEN,
    "repeat_caller": _WRITTEN,
    "avg_model_call_ms": "no set has calls of models as events of their own",
    "max_model_call_ms": "no set has calls of models as events of their own",
    "compound_emotion": "no set has mixed emotions",
    "vocal_cue_label": "no set has laughs and sighs",
    "ai_disclosed_when_asked": "nobody asks whether it is a machine",
    "call_screening_handling_score": "no call is screened",
    "surface_pending_review_count": "no form is reviewed",
    "surface_rejection_reason": "no form is reviewed",
}
"""Shipped metrics that have no value, and what is missing."""


def _of_the_newest(catalog: Catalog) -> Catalog:
    """The sample's conversations are the newest, and the ones that the sample judge knows."""
    changes = {"selection": "recent"}
    metrics = [replace(one, definition=one.definition.model_copy(update=changes)) for one in catalog.metrics]
    return replace(catalog, metrics=tuple(metrics))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> dict[str, tuple[int, int]]:
    """For each shipped metric, active or not: values that entered and numbers that came of them, over all sets.

    All conversations have arrived just now, so one window looks at all of them. Models are asked about the newest two.
    """
    home = tmp_path_factory.mktemp("home")
    sample = write_sample(home, end=END, hours=36, conversations=150)
    with sample_judge(sample) as judge:
        settings = Settings(home=home, definitions=builtin_definitions(), models=judge.models, cap=6)
        store, catalog = Store(settings), _of_the_newest(load_catalog(settings))
        ingest(store, catalog, settings)
        for source, folder in REAL.items():
            ingest(store, catalog, settings, urls=[str(shared_data / folder)], source=source)
        end = floor_hour(datetime.now(UTC)) + HOUR
        keys = [metric.key for metric in catalog.metrics]
        report = extract(store, catalog, settings, Window.ending(end), keys=keys, now=end)
    assert not report.failed
    aggregate(store, catalog, settings)
    with store.write() as con:
        rows = con.execute(
            "SELECT metric_key, sum(event_count), count(coalesce(value::VARCHAR, value_text)) FROM metric_periods "
            "WHERE granularity = 'day' AND service_id IS NULL AND category IS NULL GROUP BY ALL"
        ).fetchall()
    found = {key: (entered, numbers) for key, entered, numbers in rows}
    return {metric.key: found.get(metric.key, (0, 0)) for metric in catalog.metrics}


def test_every_shipped_metric_has_a_value_or_a_reason(answers: dict[str, tuple[int, int]]) -> None:
    assert len(answers) > 240
    empty = {key for key, (entered, numbers) in answers.items() if not entered or not numbers}
    assert empty == WITHOUT_DATA.keys()


def test_every_built_in_has_a_value(answers: dict[str, tuple[int, int]]) -> None:
    builtins = {metric.key for metric in load_catalog(Settings()).metrics if metric.managed_by == "builtin"}
    assert len(builtins) == 41
    assert all(answers[key][0] for key in builtins)
