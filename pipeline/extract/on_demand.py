"""One metric about given conversations, now, with another prompt or model if wanted; nothing is kept."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pipeline.catalog.catalog import Catalog, Metric
from pipeline.catalog.checks import COMPARE
from pipeline.errors import DefinitionError, ExpressionError, JudgeError, UnknownConversationError
from pipeline.extract.python_mode import evaluate_one, python_file
from pipeline.extract.python_process import PythonProcess
from pipeline.extract.transcripts import read_conversations, read_transcripts
from pipeline.judge import loop
from pipeline.judge.capabilities import Capability
from pipeline.judge.conversation import Conversation
from pipeline.judge.engine import Engine, Spent
from pipeline.judge.expectation import Value
from pipeline.judge.judgement import Result, judge
from pipeline.judge.ledger import Arrived, Claim, look_up
from pipeline.judge.plan import Ask, endpoint_of, plan
from pipeline.judge.prompt import Request
from pipeline.settings import Settings
from pipeline.settings_models import ModelEndpoint, Models
from pipeline.store import Store

_THRESHOLD = re.compile(r"\s*value\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*\Z")


@dataclass(frozen=True)
class Evaluation:
    """What one conversation got.

    Attributes:
        value: None unless the status is `ok`.
        passed: the threshold's verdict; None without one or without a value.
        evidence: `quotes` with whether they were said, and how the answer was got.
        turns: text of the quoted turns, as it was sent.
        reused: whether the answer was in the store and was not asked for again.
        seconds: from question to answer.
    """

    key: str
    conversation_id: str
    status: str
    value: Value | None = None
    passed: bool | None = None
    confidence: float | None = None
    reasoning: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    turns: Mapping[int, str] = field(default_factory=dict)
    model: str | None = None
    error: str | None = None
    reused: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0


class ReadOnlyLedger:
    """Stored answers are used, new ones are not kept, and nothing is budgeted: a person is waiting and looks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(self, requests: Sequence[Request]) -> Claim:
        """What is stored; everything else is granted."""
        distinct = {request.hash: request for request in requests}
        hashes = list(distinct)
        with self._store.read() as con:
            answers = look_up(con, self._store.workspace_id, hashes)
        settled = {key: stored for key, stored in answers.items() if stored.settles(distinct[key])}
        return Claim(settled, frozenset(hashes) - settled.keys())

    def keep(self, arrived: Sequence[Arrived], done: Iterable[Request]) -> None:
        """Nothing is kept."""

    @property
    def overspent(self) -> bool:
        """Nothing is budgeted."""
        return False

    def spend(self, request_hash: str, usd: float) -> None:
        """Nothing is budgeted."""

    def renew(self) -> None:
        """Nothing is reserved."""

    def capability(self, endpoint: ModelEndpoint) -> Capability:
        """Nothing is remembered."""
        return Capability(output_tokens=endpoint.max_output_tokens)

    def learn(self, endpoint: ModelEndpoint, capability: Capability) -> None:
        """Nothing is remembered."""

    def close(self) -> None:
        """Nothing is held."""


def evaluate_now(
    store: Store,
    catalog: Catalog,
    settings: Settings,
    key: str,
    conversation_ids: Sequence[str],
    *,
    prompt: str | None = None,
    threshold: str | None = None,
    model: str | None = None,
) -> list[Evaluation]:
    """Evaluate one metric about conversations of the published snapshot.

    Args:
        store: read only.
        catalog: the definitions.
        settings: models, redaction, limits of python metrics.
        key: of a judged or python metric.
        conversation_ids: in the order of the answer.
        prompt: asked instead of the definition's own.
        threshold: `value >= 7` and the like.
        model: asked instead of the configured one, at the same endpoint.

    Raises:
        UnknownMetricError: no metric has this key.
        UnknownConversationError: a conversation is not in the snapshot.
        DefinitionError: the metric is neither judged nor python, or its file cannot be loaded.
        ExpressionError: the threshold cannot be read.
        JudgeError: no model is configured.
    """
    metric = catalog.get(key)
    verdict = _verdict(threshold)
    read = read_conversations if metric.definition.extraction_mode == "python" else read_transcripts
    with store.read() as con:
        rows: Mapping[str, Any] = read(con, store.workspace_id, conversation_ids)
    if absent := [item for item in conversation_ids if item not in rows]:
        raise UnknownConversationError(
            f"No conversation {absent[0]!r} is in the snapshot. `metric-store run` publishes what was ingested."
        )
    if metric.definition.extraction_mode == "python":
        found = _run_python(settings, metric, [rows[item] for item in conversation_ids])
    elif metric.definition.judged:
        metric, models = _as_asked(settings.models, metric, prompt, model)
        found = _ask(store, models, metric, rows, list(dict.fromkeys(conversation_ids)))
    else:
        mode = metric.definition.extraction_mode
        raise DefinitionError(f"{key} is {mode}: it needs no evaluation. `metric-store get {key}` shows its values.")
    return [replace(item, passed=verdict(item.value)) for item in found]


def _as_asked(models: Models, metric: Metric, prompt: str | None, model: str | None) -> tuple[Metric, Models]:
    endpoint = endpoint_of(models, metric)
    if isinstance(endpoint, str):
        raise JudgeError(endpoint)
    if model is not None:
        models = Models(default=endpoint.model_copy(update={"model": model}), redaction=models.redaction)
        fields: dict[str, Any] = {"model_tier": "free", "ai_query_endpoint": None}
        metric = replace(metric, definition=metric.definition.model_copy(update=fields))
    if prompt is not None:
        if not prompt.strip():
            raise DefinitionError("The prompt is empty; write a question into the file.")
        asked = {"ai_query_prompt": prompt.strip(), "prompt": None}
        metric = replace(metric, definition=metric.definition.model_copy(update=asked))
    return metric, models


def _ask(
    store: Store, models: Models, metric: Metric, said: Mapping[str, Conversation], order: Sequence[str]
) -> list[Evaluation]:
    found: dict[str, Evaluation] = {}

    def plan_some(conversation_ids: Sequence[str]) -> list[Ask]:
        return [ask for key in conversation_ids for ask in plan(models, [metric], said[key])]

    def hand_over(asks: list[Ask], results: dict[str, Result], spent: dict[str, Spent]) -> None:
        for ask in asks:
            found[ask.conversation_id] = _evaluation(ask, results, spent)

    endpoint = endpoint_of(models, metric)
    assert isinstance(endpoint, ModelEndpoint)
    engine = Engine(ReadOnlyLedger(store), write_batch=models.write_batch, concurrency=endpoint.max_concurrency)
    loop.run(engine.run(order, plan_some, hand_over))
    return [found[key] for key in order]


def _evaluation(ask: Ask, results: dict[str, Result], spent: dict[str, Spent]) -> Evaluation:
    value = judge(ask, results)[0]
    paid = sum((spent.get(request.hash, Spent()) for request in ask.all_requests), Spent())
    quotes = [asdict(quote) for quote in value.quotes]
    said = ask.prefix.transcript.turns if ask.prefix else {}
    return Evaluation(
        key=ask.metric.key,
        conversation_id=ask.conversation_id,
        status=value.status,
        value=value.value,
        confidence=value.confidence,
        reasoning=value.reasoning,
        evidence={"quotes": quotes, **value.notes},
        turns={quote["turn"]: said[quote["turn"]] for quote in quotes if quote["turn"] in said},
        model=value.model,
        error=value.error,
        reused=bool(ask.requests) and paid.calls == 0 and value.status != "error",
        tokens_in=paid.tokens_in,
        tokens_out=paid.tokens_out,
        cost_usd=paid.cost_usd,
        seconds=max((getattr(results[request.hash], "seconds", 0.0) for request in ask.all_requests), default=0.0),
    )


def _run_python(settings: Settings, metric: Metric, rows: Sequence[dict[str, Any]]) -> list[Evaluation]:
    found = []
    with PythonProcess(python_file(settings, metric.definition), settings.python) as process:
        for row in rows:
            started = time.perf_counter()
            reading, reasoning, confidence = evaluate_one(metric.definition, process, {**row, "metrics": {}})
            found.append(
                Evaluation(
                    key=metric.key,
                    conversation_id=row["conversation_id"],
                    status=reading.status,
                    value=reading.value,
                    reasoning=reasoning,
                    confidence=confidence,
                    error=reading.error,
                    seconds=time.perf_counter() - started,
                )
            )
    return found


def _verdict(threshold: str | None) -> Callable[[Value | None], bool | None]:
    """A function from a value to whether it passes."""
    if threshold is None:
        return lambda _: None
    match = _THRESHOLD.match(threshold)
    if match is None:
        raise ExpressionError(f'{threshold!r} is not a condition. Write for example "value >= 7" or "value == true".')
    compare, limit = match[1], _literal(match[2])
    if compare not in ("==", "!=") and not isinstance(limit, float):
        raise ExpressionError(f"{threshold!r} compares with something that is not a number; use == or !=.")

    def passed(value: Value | None) -> bool | None:
        if value is None or (isinstance(limit, float) and not isinstance(value, int | float)):
            return None
        return bool(COMPARE[compare](value, limit))

    return passed


def _literal(text: str) -> float | bool | str:
    if text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    try:
        return float(text)
    except ValueError:
        return text.strip("'\"")
