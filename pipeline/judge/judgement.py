"""From answers to values: read, verify quotes, join repeats, fold what is below a conversation."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.catalog.models import MetricDefinition
from pipeline.judge.asker import Failure
from pipeline.judge.evidence import Quote, verify
from pipeline.judge.expectation import Expectation, Value
from pipeline.judge.ledger import Stored
from pipeline.judge.parse import Answer, UnreadableError, read_answer, readings
from pipeline.judge.plan import Ask
from pipeline.judge.question import Question
from pipeline.store.states import BY_WEIGHT, UNFINISHED

OVER_BUDGET = "over_budget"
Result = Stored | Failure | str
"""What became of a request: an answer, why there is none, or `OVER_BUDGET`."""


@dataclass(frozen=True)
class Judgement:
    """One row of values, without what every row of its conversation shares.

    Attributes:
        sample_index: 0 for a value; 1 … k for the single answers that a repeated one was made from.
        counts_against: whether an `error` counts towards the tries that a value is given.
        notes: how the answer was got: output mode, turns left out, band of the scale, notice of the endpoint.
    """

    status: str
    value: Value | None = None
    confidence: float | None = None
    reasoning: str | None = None
    quotes: tuple[Quote, ...] = ()
    model: str | None = None
    error: str | None = None
    participant: str | None = None
    segment: int | None = None
    sample_index: int = 0
    counts_against: bool = True
    notes: Mapping[str, Any] = field(default_factory=dict)


def judge(ask: Ask, results: Mapping[str, Result]) -> list[Judgement]:
    """The rows of one metric about one conversation; the first is the conversation's value."""
    if ask.status is not None:
        return [Judgement(ask.status, error=ask.error)]
    definition = ask.metric.definition
    below: list[Judgement] = []
    samples: list[Judgement] = []
    for question, requests in zip(ask.questions, ask.requests, strict=True):
        answered = [_read(ask, question, results[request.hash], request.sample_index) for request in requests]
        if definition.repeat > 1:
            samples += [row for rows in answered for row in rows]
        below += [join_repeats(definition, rows) for rows in zip(*answered, strict=True)]
    if definition.scope == "conversation":
        return [below[0], *samples]
    return [fold(definition, below), *below, *samples]


def _read(ask: Ask, question: Question, result: Result, sample_index: int) -> list[Judgement]:
    """One answer as rows: one, or one for each turn that was asked about."""
    definition = ask.metric.definition
    segments: Sequence[int | None] = question.turns or (None,)
    place = Judgement("error", participant=question.participant, sample_index=sample_index)
    places = [replace(place, segment=at) for at in segments]
    if isinstance(result, str):
        return [replace(row, status=result) for row in places]
    if isinstance(result, Failure):
        return [replace(row, error=result.error, counts_against=not result.endpoint) for row in places]
    notes = _notes(ask, result)
    made = [replace(row, model=result.returned_model or result.model, notes=notes) for row in places]
    if result.outcome == "refused":
        return [replace(row, status="abstained", error="The model refused to answer.") for row in made]
    try:
        answer = read_answer(result.outcome, result.raw, question.form)
    except UnreadableError as unreadable:
        return [replace(row, status="parse_error", error=f"Of the answer: {unreadable}.") for row in made]
    return [
        replace(
            row,
            status=reading.status,
            value=reading.value,
            error=reading.error,
            confidence=answer.confidence if reading.status == "ok" else None,
            reasoning=answer.reasoning,
            quotes=_quotes(ask, answer, row.segment),
            notes=notes | _band(definition, reading.value),
        )
        for row, reading in zip(made, readings(definition, question, answer), strict=True)
    ]


def _quotes(ask: Ask, answer: Answer, segment: int | None) -> tuple[Quote, ...]:
    assert ask.prefix is not None
    quotes = verify(answer.evidence, ask.prefix.transcript.turns)
    return quotes if segment is None else tuple(quote for quote in quotes if quote.turn == segment)


def _notes(ask: Ask, result: Stored) -> dict[str, Any]:
    assert ask.prefix is not None
    notes: dict[str, Any] = {"mode": result.mode}
    if ask.prefix.transcript.left_out:
        notes["turns_left_out"] = ask.prefix.transcript.left_out
    if ask.prefix.endpoint.notice:
        notes["notice"] = ask.prefix.endpoint.notice
    return notes


def _band(definition: MetricDefinition, value: Value | None) -> dict[str, str]:
    """The band of the scale that a number falls into; one between two bands has none."""
    bands = definition.scale.bands if definition.scale else ()
    number = value if isinstance(value, int | float) else None
    named = [band.label for band in bands if number is not None and band.range_min <= number <= band.range_max]
    return {"band": named[0]} if named else {}


def join_repeats(definition: MetricDefinition, rows: Sequence[Judgement]) -> Judgement:
    """One value from k independent answers: the mean of numbers, the majority of anything else.

    Confidence is the self-consistency: the share of answers that agree with the majority, or for numbers in a known
    range 1 - s / (half the range), s the population standard deviation, whose greatest value is half the range. An
    answer that may still come (`error`, `over_budget`) makes the whole unfinished; a tie is `abstained`.
    """
    if len(rows) == 1 and rows[0].sample_index == 0:
        return rows[0]
    first = replace(rows[0], sample_index=0)
    for row in rows:
        if row.status in UNFINISHED:
            return replace(row, sample_index=0, value=None)
    good = [row for row in rows if row.status == "ok"]
    numeric = definition.metric_type == "numerical"
    numbers = [float(row.value) for row in good if numeric and isinstance(row.value, int | float)]
    if numbers and 2 * len(numbers) >= len(rows):
        mean = statistics.fmean(numbers)
        typical = min(good, key=lambda row: abs(float(row.value) - mean))  # type: ignore[arg-type]
        return replace(
            typical,
            sample_index=0,
            value=mean,
            confidence=_agreement(definition, numbers),
            notes={**typical.notes, **_band(definition, mean)},
        )
    votes = Counter((row.status, row.value if row.status == "ok" else None) for row in rows).most_common()
    (status, value), most = votes[0]
    if len(votes) > 1 and votes[1][1] == most:
        return replace(first, status="abstained", value=None, confidence=None, error="The repeated answers are tied.")
    winner = next(row for row in rows if row.status == status and (status != "ok" or row.value == value))
    return replace(winner, sample_index=0, confidence=most / len(rows) if status == "ok" else None)


def _agreement(definition: MetricDefinition, numbers: Sequence[float]) -> float | None:
    expected = Expectation.of(definition)
    if expected.minimum is None or expected.maximum is None or expected.maximum <= expected.minimum:
        return None
    return max(0.0, 1.0 - statistics.pstdev(numbers) / ((expected.maximum - expected.minimum) / 2))


def fold(definition: MetricDefinition, rows: Sequence[Judgement]) -> Judgement:
    """The conversation's value out of those of its participants or turns. What may still come makes it unfinished."""
    for row in rows:
        if row.status in UNFINISHED:
            return Judgement(row.status, error=row.error, model=row.model, counts_against=row.counts_against)
    good = [row for row in rows if row.status == "ok" and row.value is not None]
    if not good:
        status = max((row.status for row in rows), key=BY_WEIGHT.index, default="missing")
        if not rows:
            return Judgement(status)
        return next(
            Judgement(status, error=row.error, reasoning=row.reasoning, model=row.model, notes=row.notes)
            for row in rows
            if row.status == status
        )
    confidences = [row.confidence for row in good if row.confidence is not None]
    value = _FOLDS[definition.effective_fold]([row.value for row in good])
    return Judgement(
        "ok",
        value=value,
        confidence=statistics.fmean(confidences) if confidences else None,
        reasoning=good[0].reasoning,
        quotes=tuple(quote for row in good for quote in row.quotes)[:20],
        model=good[0].model,
        notes={key: note for key, note in good[0].notes.items() if key != "band"} | _band(definition, value),
    )


def _quantile(values: Sequence[float], share: float) -> float:
    """Linear interpolation between closest ranks, as DuckDB's quantile_cont."""
    ranked = sorted(values)
    place = share * (len(ranked) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


_FOLDS: dict[str, Any] = {
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "any": any,
    "all": all,
    "count": lambda values: float(len(values)),
    "avg": statistics.fmean,
    "min": min,
    "max": max,
    "median": statistics.median,
    "p95": lambda values: _quantile(values, 0.95),
    "p99": lambda values: _quantile(values, 0.99),
    "sum": lambda values: float(sum(values)),
}
