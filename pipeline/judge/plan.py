"""What would be asked: pure, so that `--dry-run` prints exactly what a run then sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.catalog.catalog import Metric
from pipeline.judge.conversation import Conversation
from pipeline.judge.parse import objection
from pipeline.judge.placeholders import MissingPlaceholderError
from pipeline.judge.prompt import Objection, Prefix, Request, transcript_tokens
from pipeline.judge.question import Question, questions
from pipeline.judge.redact import Redactor, redactor
from pipeline.judge.transcript import transcribe
from pipeline.settings_models import HOW_TO_CONFIGURE, ModelEndpoint, Models

CACHED_FROM_TOKENS = 1024
"""Shortest prefix that providers cache; used for estimates only."""
EXPECTED_OUTPUT_TOKENS = 150
"""Of one answer, for estimates."""


@dataclass(frozen=True)
class Ask:
    """One metric about one conversation: the requests that its value rests on, or the state that makes them needless.

    Attributes:
        requests: for each question, one request or k of them with `repeat: k`.
        status: set when nothing has to be asked.
        error: why, in one line.
    """

    metric: Metric
    conversation_id: str
    prefix: Prefix | None = None
    questions: tuple[Question, ...] = ()
    requests: tuple[tuple[Request, ...], ...] = ()
    status: str | None = None
    error: str | None = None

    @property
    def all_requests(self) -> list[Request]:
        """Every request, in order."""
        return [request for group in self.requests for request in group]


@dataclass(frozen=True)
class Estimate:
    """What judging would take. Tokens and dollars are estimates; calls are exact."""

    conversations: int = 0
    answered: int = 0
    calls: int = 0
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    usd: float = 0.0

    def __add__(self, other: Estimate) -> Estimate:
        """Both together."""
        return Estimate(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def endpoint_of(models: Models, metric: Metric) -> ModelEndpoint | str:
    """Who is asked about a metric, or the one line that says how to configure somebody."""
    definition = metric.definition
    endpoint = models.endpoint(definition.model_tier, definition.ai_query_endpoint)
    if endpoint is not None:
        return endpoint
    if (name := definition.ai_query_endpoint) is not None:
        return f"No endpoint {name!r} is configured. Set [models.endpoints.{name}] in metric-store.toml."
    return HOW_TO_CONFIGURE.format(tier=definition.model_tier)


def plan(models: Models, metrics: Iterable[Metric], conversation: Conversation) -> list[Ask]:
    """Everything that the metrics ask about one conversation, in the order of the metrics."""
    redact = redactor(models.redaction, conversation)
    prefixes: dict[ModelEndpoint, Prefix] = {}
    objections: dict[tuple[Prefix, str], list[Objection]] = {}
    asks = []
    for metric in metrics:
        endpoint = endpoint_of(models, metric)
        if isinstance(endpoint, str):
            asks.append(Ask(metric, conversation.conversation_id, status="no_model", error=endpoint))
            continue
        if endpoint not in prefixes:
            transcript = transcribe(conversation, redact, transcript_tokens(endpoint))
            prefixes[endpoint] = Prefix(endpoint, transcript)
        asks.append(_plan_one(metric, conversation, prefixes[endpoint], redact, objections))
    return asks


def _plan_one(
    metric: Metric,
    conversation: Conversation,
    prefix: Prefix,
    redact: Redactor,
    objections: dict[tuple[Prefix, str], list[Objection]],
) -> Ask:
    """`objections` holds, by question, those of all metrics that ask it; those of this one are added."""
    definition = metric.definition
    ask = Ask(metric, conversation.conversation_id, prefix)
    if not prefix.transcript.turns:
        left_out = prefix.transcript.left_out
        if left_out:
            return replace(ask, status="error", error="No turn fits the model's context; raise context_tokens.")
        return replace(ask, status="not_applicable", error="Nothing was said.")
    try:
        asked = questions(definition, conversation, prefix.transcript.roles, redact)
    except MissingPlaceholderError as missing:
        return replace(ask, status="missing", error=str(missing))
    if not asked:
        role = definition.participant_role or "participant"
        return replace(ask, status="not_applicable", error=f"No {role} said anything.")
    samples = range(1, definition.repeat + 1) if definition.repeat > 1 else range(1)
    checks = [objections.setdefault((prefix, question.text), []) for question in asked]
    for question, raised in zip(asked, checks, strict=True):
        raised.append(partial(objection, definition, question))
    requests = tuple(
        tuple(Request(prefix, question.text, question.form, index, raised) for index in samples)
        for question, raised in zip(asked, checks, strict=True)
    )
    if not all(request.fits for group in requests for request in group):
        error = (
            "The question and the answer do not fit the model's context; shorten the prompt or raise context_tokens."
        )
        return replace(ask, status="error", error=error)
    return replace(ask, questions=tuple(asked), requests=requests)


def estimate(
    asks: Sequence[Ask],
    answered: frozenset[str],
    ratio: Callable[[ModelEndpoint], float] = lambda _: 1.0,
) -> dict[str, Estimate]:
    """What the asks would cost, by metric key. A request that several metrics share is counted for the first.

    Args:
        asks: of whole conversations, in the order in which they would be asked.
        answered: hashes of requests whose answers are stored.
        ratio: input tokens that an endpoint bills for one that is estimated.
    """
    seen: set[str] = set()
    warmed: set[int] = set()
    found: dict[str, Estimate] = {}
    for ask in asks:
        total = Estimate(conversations=1)
        for request in ask.all_requests:
            if request.hash in answered:
                total += Estimate(answered=1)
            elif request.hash not in seen:
                seen.add(request.hash)
                cached = request.prefix.tokens if id(request.prefix) in warmed else 0
                warmed.add(id(request.prefix))
                known = ratio(request.endpoint)
                total += _price(request, known, cached if cached >= CACHED_FROM_TOKENS else 0)
        found[ask.metric.key] = found.get(ask.metric.key, Estimate()) + total
    return found


def _price(request: Request, ratio: float, cached: int) -> Estimate:
    endpoint = request.endpoint
    out = min(EXPECTED_OUTPUT_TOKENS, endpoint.max_output_tokens)
    tokens, repeated = round(request.tokens_in * ratio), round(cached * ratio)
    usd = (tokens - repeated) * endpoint.usd_in + repeated * endpoint.cached_price + out * endpoint.usd_out
    return Estimate(0, 0, 1, tokens, repeated, out, usd / 1_000_000)


def total(estimates: Mapping[str, Estimate]) -> Estimate:
    """All metrics together."""
    return sum(estimates.values(), Estimate())
