"""Whatever the conversations and definitions: every eligible conversation ends in exactly one state, every run."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Catalog, load_catalog
from pipeline.catalog.catalog import Metric
from pipeline.extract import extract
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.states import STATES
from pipeline.window import HOUR, Window

END = datetime(2026, 3, 3, tzinfo=UTC)
BASE = {"metric_type": "numerical", "source": "call_intelligence", "event_types": ["call_intelligence.row"]}
SELECTION = {"cap": st.integers(1, 4), "sampling_rate": st.sampled_from([0.2, 0.7, 1.0])}
OPTIONS: list[dict[str, Any]] = [
    {"extract_path": "$.x"},
    {"extract_path": "$..x", "fold": "sum"},
    {"extract_path": "$.x", "metric_type": "categorical", "categories": ["a", "b"]},
    {"extract_path": "$.x", "metric_type": "boolean", "channel_scope": "voice"},
    {"extract_path": "$.x", "valid_range_min": 0, "valid_range_max": 1, "gate": "m0 > 0"},
    {"extract_path": "$.score", "scope": "turn"},
    {"extraction_mode": "formula", "formula": "m0 / m1"},
    {
        "extraction_mode": "threshold",
        "metric_type": "boolean",
        "threshold": {"metric": "m1", "operator": ">", "value": 1},
    },
    {"extraction_mode": "pattern", "metric_type": "boolean", "pattern": {"keywords": ["hello"]}},
    {"extraction_mode": "written", "source": "world_events", "event_types": ["metric.written"]},
    {"extraction_mode": "ai_query", "ai_query_prompt": "{data}", "aggregation": "avg"},
    {"extract_path": "$.x", "source_filter": "duration_seconds > 1"},
]
CONVERSATION = st.fixed_dictionaries(
    {
        "ended": st.none() | st.integers(-30 * 60, 60),
        "settles": st.integers(0, 120),
        "arrived": st.integers(-30 * 60, 60),
        "channel": st.sampled_from(["voice", "chat", None]),
        "x": st.sampled_from(["1", "-3", "9e124", '"a"', '"z"', "true", "null", "[1, 2]", "{}", "NaN"]),
        "content": st.integers(0, 3),
        "text": st.sampled_from(["hello there", "", None]),
    }
)
DEFINITIONS = st.lists(
    st.tuples(
        st.integers(0, len(OPTIONS) - 1),
        st.fixed_dictionaries({}, optional=SELECTION),
        st.booleans(),
    ),
    max_size=5,
)


@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(CONVERSATION, max_size=8), DEFINITIONS, st.integers(0, 2))
def test_eligible_is_the_sum_of_the_states(
    conversations: list[dict[str, Any]], chosen: list[tuple[int, dict[str, Any], bool]], again: int
) -> None:
    with tempfile.TemporaryDirectory() as home:
        options = Settings(home=Path(home), definitions=Path(home) / "none", error_attempts=1)
        store, catalog = Store(options), _catalog(options, chosen)
        with store.write() as con:
            _fill(con, store.workspace_id, conversations)
        for step in range(again + 1):
            window = Window.ending(END + step * HOUR)
            report = extract(store, catalog, options, window, now=END + timedelta(days=1))
            eligible = sum(_looked_at(one, window) for one in conversations)
            assert {outcome.key for outcome in report.outcomes} == set(catalog.by_key)
            for outcome in report.outcomes:
                assert outcome.eligible == eligible == sum(outcome.states.values())
                assert outcome.reused + outcome.computed <= eligible
                assert set(outcome.states) <= set(STATES)
            tried = {o.key for o in report.outcomes if o.computed}
            assert {o.key for o in report.failed} == {key for key in tried if key.endswith("broken")}
        with store.write() as con:
            counts = " + ".join(f"{state}_count" for state in STATES)
            assert con.execute(f"SELECT count(*) FROM extraction_runs WHERE eligible_count <> {counts}").fetchall() == [
                (0,)
            ]
            twice = con.execute(
                "SELECT metric_key, definition_version, entity_id FROM metric_values WHERE participant IS NULL "
                "AND segment_from IS NULL GROUP BY ALL HAVING count(*) > 1"
            ).fetchall()
            assert twice == []
            assert con.execute(
                "SELECT count(*) FROM metric_values WHERE NOT isfinite(value_number) OR (status = 'ok') <> "
                "(coalesce(value_number::VARCHAR, value_text, value_boolean::VARCHAR, value_list::VARCHAR) IS NOT NULL)"
            ).fetchall() == [(0,)]


def _catalog(options: Settings, chosen: list[tuple[int, dict[str, Any], bool]]) -> Catalog:
    definitions = [{**BASE, **OPTIONS[0], "key": f"m{n}", "name": f"m{n}"} for n in range(2)]
    broken = set()
    for n, (option, selection, breaks) in enumerate(chosen, start=2):
        key = f"m{n}_broken" if breaks and option < 4 else f"m{n}"
        broken |= {key} if key.endswith("broken") else set()
        definitions.append({**BASE, **OPTIONS[option], **selection, "key": key, "name": key})
    catalog = load_catalog(options, api_definitions=definitions)
    assert not catalog.errors, catalog.errors
    return Catalog(
        tuple(
            Metric(metric.definition.model_copy(update={"extract_path": "$["}), metric.version, "file", "f")
            if metric.key in broken
            else metric
            for metric in catalog.metrics
            if metric.key in {one["key"] for one in definitions}
        )
    )


def _fill(con: Any, workspace_id: str, conversations: list[dict[str, Any]]) -> None:
    for n, one in enumerate(conversations):
        ended = None if one["ended"] is None else END + timedelta(minutes=one["ended"])
        con.execute(
            "INSERT INTO conversations BY NAME SELECT ? workspace_id, 'c' || ? conversation_id, ? started_at, "
            "? ended_at, ? settled_at, ? first_arrival_at, first_arrival_at AS last_arrival_at, ? channel, "
            "'production' traffic, 1 event_count, "
            "1 turn_count, 1 agent_turn_count, 0 user_turn_count, 0 tool_call_count, 0 tool_failure_count, "
            "'h' || ? content_hash, [{'index': 0, 'role': 'agent', 'participant': NULL, 'text': ?, 'started_at': NULL, "
            "'ended_at': NULL, "
            "'event_id': 'e', 'data': '{\"score\": 1}'::JSON}] turns, ?::JSON intelligence",
            [
                workspace_id,
                n,
                ended,
                ended,
                (ended or END) + timedelta(minutes=one["settles"]),
                END + timedelta(minutes=one["arrived"]),
                one["channel"],
                one["content"],
                one["text"],
                '{"x": ' + one["x"] + "}",
            ],
        )


def _looked_at(one: dict[str, Any], window: Window) -> bool:
    arrived = window.start <= END + timedelta(minutes=one["arrived"]) < window.end
    if one["ended"] is None:
        return arrived
    ended = END + timedelta(minutes=one["ended"])
    return window.start <= ended < window.end or (arrived and ended < window.start)
