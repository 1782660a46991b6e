"""Metrics of mode `python`: `evaluate(conversation)` in the user's file, run in a process of its own.

`conversation` has the columns of the conversation, `turns` (each with index, role, participant, text, started_at,
ended_at, event_id and the `data` of its event), the other `events` (event_id, event_type, occurred_at, participant,
data), `intelligence`, and `metrics`: the values that other metrics have for it, by key. The function returns a
value of the metric's type, None when there is none, or a mapping with `value`, `reasoning`, `confidence` and `status`
(`not_applicable` or `abstained`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.catalog.models import MetricDefinition
from pipeline.errors import InternalError
from pipeline.extract.isolation import describe
from pipeline.extract.judged import value_columns
from pipeline.extract.python_process import FailedError, PythonProcess
from pipeline.extract.run_context import CappedResult, CappedWork, RunContext
from pipeline.extract.slices import write_slices
from pipeline.extract.transcripts import read_conversations
from pipeline.extract.values import SQL, copied
from pipeline.judge.clean import clean_json
from pipeline.judge.expectation import Expectation, Reading
from pipeline.settings import Settings
from pipeline.store import load_sql, text_list

CHUNK = 100
"""Conversations that are read, evaluated and written together."""
_TYPES: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "number": (int, float),
    "label": (str,),
    "text": (str,),
    "labels": (list,),
}


def evaluate_python(run: RunContext, work: Sequence[CappedWork]) -> dict[str, CappedResult]:
    """Run each metric's file over its conversations. A file that cannot be loaded fails its own metric only."""
    return {item.metric.key: _evaluate(run, item) for item in work}


def python_file(settings: Settings, definition: MetricDefinition) -> Path:
    """Where the file of a python metric is."""
    return settings.definitions / "python" / str(definition.python_file)


def _evaluate(run: RunContext, item: CappedWork) -> CappedResult:
    chosen = item.conversations.to_pylist()
    states: dict[str, str] = {}
    if not chosen:
        return CappedResult(states)
    try:
        with PythonProcess(python_file(run.settings, item.metric.definition), run.settings.python) as process:
            for at in range(0, len(chosen), CHUNK):
                part = chosen[at : at + CHUNK]
                conversations = _read(run, part)
                rows = [_row(item, row, process, conversations[row["conversation_id"]]) for row in part]
                refused = write_slices(run, [[row] for row in rows], "error")
                states |= {
                    row["entity_id"]: "error" if place in refused else row["status"] for place, row in enumerate(rows)
                }
    except InternalError:
        raise
    except Exception as error:  # the boundary at which one metric's file must not stop the others
        return CappedResult(states, failure=describe(item.metric.key, error))
    return CappedResult(states)


def _read(run: RunContext, chosen: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    conversation_ids = [row["conversation_id"] for row in chosen]
    since = min(row["first_arrival_at"] for row in chosen)
    workspace_id = run.store.workspace_id
    parameters = {
        "workspace_id": workspace_id,
        "conversation_ids": text_list(conversation_ids),
        "versions": text_list(metric.version for metric in run.catalog.metrics),
        "since": since,
    }
    with run.store.write("values") as con:
        conversations = read_conversations(con, workspace_id, conversation_ids, since)
        values = con.execute(load_sql(SQL, "other_values"), parameters).fetchall()
    for row in conversations.values():
        row["metrics"] = {}
    for conversation_id, key, *columns in values:
        found = [value for value in columns if value is not None]
        conversations[conversation_id]["metrics"][key] = found[0] if found else None
    return conversations


def _row(
    item: CappedWork, chosen: Mapping[str, Any], process: PythonProcess, conversation: dict[str, Any]
) -> dict[str, Any]:
    reading, reasoning, confidence = evaluate_one(item.metric.definition, process, conversation)
    return {
        **copied(chosen),
        "metric_key": item.metric.key,
        "definition_version": item.metric.version,
        "entity_id": chosen["conversation_id"],
        "sample_index": 0,
        "status": reading.status,
        "reasoning": reasoning,
        "confidence": confidence,
        "attempts": chosen["attempts"] + (reading.status == "error"),
        "error": reading.error,
        **value_columns(reading.value),
    }


def evaluate_one(
    definition: MetricDefinition, process: PythonProcess, conversation: dict[str, Any]
) -> tuple[Reading, str | None, float | None]:
    """Value or state of one conversation, reasoning and confidence."""
    try:
        found = clean_json(process.evaluate(conversation))
    except (FailedError, ValueError) as error:
        return Reading("error", error=f"{definition.python_file}: {error}."), None, None
    if not isinstance(found, dict):
        return read_result(definition, found), None, None
    reasoning, confidence = found.get("reasoning"), found.get("confidence")
    usable = isinstance(confidence, int | float) and not isinstance(confidence, bool) and 0 <= confidence <= 1
    if found.get("status") in ("not_applicable", "abstained"):
        reading = Reading(found["status"])
    else:
        reading = read_result(definition, found.get("value"))
    return reading, str(reasoning)[:4000] if reasoning else None, float(confidence or 0) if usable else None


def read_result(definition: MetricDefinition, found: Any) -> Reading:
    """A returned value, strict by type: code has no excuse for `"7"`."""
    if found is None:
        return Reading("missing", error="evaluate returned None.")
    expected = Expectation.of(definition)
    if not isinstance(found, _TYPES[expected.kind]) or (expected.kind == "number" and isinstance(found, bool)):
        return Reading("wrong_type", error=f"evaluate returned {type(found).__name__}, not a {expected.kind}.")
    return expected.read(found)
