"""Metrics that ask a model: the run's work handed to the judge, its judgements written as values."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from pipeline.catalog.catalog import Metric
from pipeline.extract.run_context import CappedResult, CappedWork, RunContext
from pipeline.extract.slices import write_slices
from pipeline.extract.transcripts import read_transcripts
from pipeline.extract.values import NOT_LOOKED_AT, copied
from pipeline.judge import loop
from pipeline.judge.asker import Failure
from pipeline.judge.batch import BatchDesk
from pipeline.judge.engine import CHUNK, Engine, Spent
from pipeline.judge.expectation import Value
from pipeline.judge.judgement import OVER_BUDGET, Judgement, Result, judge
from pipeline.judge.ledger import Stored, StoreLedger, calibration, look_up
from pipeline.judge.plan import Ask, Estimate, endpoint_of, estimate, plan
from pipeline.settings_models import ModelEndpoint
from pipeline.text import composed

logger = logging.getLogger(__name__)


def evaluate_judged(run: RunContext, work: Sequence[CappedWork]) -> dict[str, CappedResult]:
    """Give every chosen conversation the value of every judged metric, asking no more than is not yet paid for.

    Values are written conversation by conversation while others are still being judged.

    Args:
        run: the run; with a `batch` the questions go there and their conversations are `pending`.
        work: what was chosen, of metrics that have a model.

    Returns:
        For each metric the state of each of its conversations, and what its calls cost. A call that several metrics
        share is counted for the first.
    """
    results = {item.metric.key: _Tally() for item in work}
    desk = _Desk(run, work, results)
    if run.batch is not None:
        _collect(run.batch, desk)
    elif desk.order:
        models = run.settings.models
        ledger = StoreLedger(run.store, run.run_id, models.budget)
        engine = Engine(
            ledger, write_batch=models.write_batch, concurrency=_concurrency(run, work), progress=run.on_judged
        )
        loop.run(engine.run(desk.order, desk.plan, desk.hand_over))
    return {key: tally.result() for key, tally in results.items()}


def estimate_judged(run: RunContext, work: Sequence[CappedWork]) -> dict[str, Estimate]:
    """What `evaluate_judged` would ask and pay, by metric key; nothing is asked or written."""
    desk = _Desk(run, work, {item.metric.key: _Tally() for item in work})
    found = {item.metric.key: Estimate() for item in work}
    ratios: dict[ModelEndpoint, float] = {}
    for at in range(0, len(desk.order), CHUNK):
        asks = desk.plan(desk.order[at : at + CHUNK])
        with run.store.write("judge") as con:
            requests = {request.hash: request for ask in asks for request in ask.all_requests}
            answers = look_up(con, run.store.workspace_id, list(requests))
            for endpoint in {request.endpoint for request in requests.values()} - ratios.keys():
                ratios[endpoint] = calibration(con, run.store.workspace_id, endpoint).typical
        settled = frozenset(key for key, stored in answers.items() if stored.settles(requests[key]))
        for key, part in estimate(asks, settled, ratios.__getitem__).items():
            found[key] += part
    return found


def _collect(batch: BatchDesk, desk: _Desk) -> None:
    """Values for what is answered; the other questions go into the next batch, as the budget allows."""
    for at in range(0, len(desk.order), CHUNK):
        asks = desk.plan(desk.order[at : at + CHUNK])
        requests = [request for ask in asks for request in ask.all_requests]
        claim = batch.add(requests)
        results: dict[str, Result] = {}
        for request in requests:
            stored = claim.answers.get(request.hash)
            if stored is not None and stored.settles(request):
                results[request.hash] = stored
            elif (refused := batch.refused.get(request.endpoint)) is not None:
                results[request.hash] = Failure(refused, endpoint=True)
            else:
                results[request.hash] = "pending" if request.hash in claim.granted else OVER_BUDGET
        answered = [key for key, result in results.items() if isinstance(result, Stored)]
        desk.hand_over(asks, results, {key: batch.spent.pop(key) for key in answered if key in batch.spent})


@dataclass
class _Tally:
    """What one metric has come to."""

    states: dict[str, str] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)

    def result(self) -> CappedResult:
        return CappedResult(self.states, **asdict(self.spent))


def _concurrency(run: RunContext, work: Sequence[CappedWork]) -> int:
    endpoints = {endpoint_of(run.settings.models, item.metric) for item in work}
    return sum(endpoint.max_concurrency for endpoint in endpoints if isinstance(endpoint, ModelEndpoint))


class _Desk:
    """Between the run's work, which is by metric, and the judge's, which is by conversation."""

    def __init__(self, run: RunContext, work: Sequence[CappedWork], tallies: Mapping[str, _Tally]) -> None:
        self._run = run
        self._tallies = tallies
        self._chosen: dict[str, list[tuple[int, Metric, dict[str, Any]]]] = {}
        for item in work:
            for place, row in enumerate(item.conversations.to_pylist()):
                self._chosen.setdefault(row["conversation_id"], []).append((place, item.metric, row))
        self.order = sorted(self._chosen, key=lambda key: min(place for place, _, _ in self._chosen[key]))

    def plan(self, conversation_ids: Sequence[str]) -> list[Ask]:
        """What to ask about some conversations."""
        models = self._run.settings.models
        since = min(row["first_arrival_at"] for key in conversation_ids for _, _, row in self._chosen[key])
        with self._run.store.write("values") as con:
            found = read_transcripts(con, self._run.store.workspace_id, conversation_ids, since)
        return [
            ask
            for key in conversation_ids
            for ask in plan(models, [metric for _, metric, _ in self._chosen[key]], found[key])
        ]

    def hand_over(self, asks: list[Ask], results: dict[str, Result], spent: dict[str, Spent]) -> None:
        """Write the values of some conversations, in one transaction."""
        slices: list[list[dict[str, Any]]] = []
        states: list[tuple[str, str, str]] = []
        for ask in asks:
            key = ask.metric.key
            chosen = next(row for _, metric, row in self._chosen[ask.conversation_id] if metric.key == key)
            paid = [spent.pop(request.hash, Spent()) for request in ask.all_requests]
            whole = sum(paid, Spent())
            self._tallies[key].spent += whole
            rows = _rows(ask, chosen, results)
            rows[0] |= _usage(whole)
            states.append((key, ask.conversation_id, rows[0]["status"]))
            slices.append(rows if rows[0]["status"] not in NOT_LOOKED_AT else [])
        refused = write_slices(self._run, slices, "parse_error", lambda con: self._bind(con, asks))
        for place, (key, conversation_id, state) in enumerate(states):
            self._tallies[key].states[conversation_id] = "parse_error" if place in refused else state

    def _bind(self, con: duckdb.DuckDBPyConnection, asks: Sequence[Ask]) -> None:
        """Note which conversation the answers are about, so that they go with it."""
        rows = {(request.hash, ask.conversation_id) for ask in asks for request in ask.all_requests}
        if rows:
            hashes, ids = zip(*sorted(rows), strict=True)
            con.register("bound", pa.table({"request_hash": hashes, "conversation_id": ids}))
            con.execute(
                "INSERT INTO judge_requests BY NAME SELECT $workspace_id AS workspace_id, * FROM bound "
                "SEMI JOIN fresh ON entity_id = conversation_id",  # not of one that was erased meanwhile
                {"workspace_id": self._run.store.workspace_id},
            )
            con.unregister("bound")


def _rows(ask: Ask, chosen: Mapping[str, Any], results: Mapping[str, Result]) -> list[dict[str, Any]]:
    """The rows of one value. Whatever the answers hold, it costs this value alone."""
    try:
        return [_row(ask.metric, chosen, item) for item in judge(ask, results)]
    except Exception as error:  # the boundary at which one answer must not harm the others
        reason = f"The answer cannot be read ({type(error).__name__})."
        logger.error("%s of %s: %s", ask.metric.key, ask.conversation_id, reason)
        return [_row(ask.metric, chosen, Judgement("parse_error", error=reason))]


def _row(metric: Metric, chosen: Mapping[str, Any], item: Judgement) -> dict[str, Any]:
    tries = chosen["attempts"] + (item.status == "error" and item.counts_against)
    return {
        **copied(chosen),
        "metric_key": metric.key,
        "definition_version": metric.version,
        "entity_id": chosen["conversation_id"],
        "participant": item.participant,
        "segment_from": item.segment,
        "segment_to": item.segment,
        "sample_index": item.sample_index,
        "status": item.status,
        "confidence": item.confidence,
        "reasoning": item.reasoning,
        "evidence": _evidence(item),
        "model": item.model,
        "attempts": tries,
        "error": item.error,
        **value_columns(item.value),
    }


def value_columns(value: Value | None) -> dict[str, Any]:
    """The column that holds a value of this type."""
    match value:
        case bool():
            return {"value_boolean": value}
        case int() | float():
            number = float(value)  # an integer that a double cannot hold keeps its digits beside it
            return {"value_number": number, **({} if number == value else {"value_text": str(value)})}
        case str():
            return {"value_text": composed(value)}
        case tuple():
            return {"value_list": list(map(composed, value))}
    return {}


def _evidence(item: Judgement) -> str | None:
    """Quotes with whether they were really said, and how the answer was got (`mode`, `turns_left_out`, …)."""
    if not item.quotes and not item.notes:
        return None
    return orjson.dumps({"quotes": [asdict(quote) for quote in item.quotes], **item.notes}).decode()


def _usage(spent: Spent) -> dict[str, Any]:
    """The whole usage stands on the conversation's value, so that sums over rows count it once."""
    return {
        "tokens_in": spent.tokens_in,
        "tokens_cached": spent.tokens_cached,
        "tokens_out": spent.tokens_out,
        "cost_usd": spent.cost_usd,
    }
