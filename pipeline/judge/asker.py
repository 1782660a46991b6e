"""Asking until there is an answer or there is no point: retries, capabilities, and giving up on an endpoint."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from pipeline.judge.capabilities import Capability
from pipeline.judge.client import send
from pipeline.judge.completion import Received
from pipeline.judge.faults import FaultError
from pipeline.judge.limiter import limiter_of
from pipeline.judge.prompt import Prefix, Request
from pipeline.judge.transcript import Transcript
from pipeline.settings_models import ModelEndpoint

CONTENT_ATTEMPTS = 2
"""Answers that are paid for at most, when the first is empty, cut off, malformed or no value of the metric."""
TRANSIENT_ATTEMPTS = 6
"""Requests that are sent at most for one question on which the server fails while it answers others."""
_ENDPOINT_QUESTIONS = 3  # that fail together, at least, before the endpoint is at fault; those in flight may yet answer
_FIRST_BACKOFF = 0.25
_MAX_BACKOFF = 20.0

PROBE = Transcript("[0] user: Hello", {0: "Hello"}, {0: "user"})
PROBE_QUESTION = "Question: Does the user greet somebody?\n\nValue: true or false."
"""What an endpoint is asked to find out how it wants to be asked: no words of any conversation."""

Record = Callable[[Request, Received], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a question has no answer.

    Attributes:
        error: one line.
        endpoint: whether the endpoint is at fault rather than the question; such a try does not count against a value.
    """

    error: str
    endpoint: bool


class Asker:
    """One endpoint during one run.

    Args:
        endpoint: who is asked.
        capability: how, as far as it is known.
        record: stores an answer as soon as it has come; awaited while the request still counts as in flight.
        overspent: whether the budget is used up, asked before each request is sent.
    """

    def __init__(
        self,
        endpoint: ModelEndpoint,
        capability: Capability,
        record: Record,
        overspent: Callable[[], bool] = lambda: False,
    ) -> None:
        self.endpoint = endpoint
        self.capability = capability
        self._known = capability
        self.throttles = 0
        self._limiter = limiter_of(endpoint)
        self._record = record
        self._overspent = overspent
        self._broken: str | None = None
        self._failing_since: float | None = None
        self._failing: set[str] = set()
        self._probing = asyncio.Lock()

    @property
    def learned(self) -> bool:
        """Whether there is something new to remember about the endpoint."""
        return self.capability.proven and self.capability != self._known

    async def ask(
        self, request: Request, paid: int = 0, turn: int = 0, objection: str | None = None
    ) -> Received | Failure | None:
        """Ask one question; None where the budget was used up before it was sent.

        Args:
            request: what to ask.
            paid: unusable answers that an earlier run has already paid for.
            turn: its place among those that wait, kept when it is tried again.
            objection: what was wrong with the last of them.
        """
        faults = 0
        failing_since: float | None = None
        output_tokens: int | None = None
        while True:
            if self._broken is not None:
                return Failure(self._broken, endpoint=True)
            async with self._limiter.slot(request.tokens_in + self.capability.output_tokens, turn) as taken_at:
                if self._broken is not None:
                    return Failure(self._broken, endpoint=True)
                if not paid and self._overspent():
                    return None
                used = self.capability
                try:
                    answer = await send(request, used, output_tokens, objection)
                except FaultError as fault:
                    seen = fault
                else:
                    self._answered(used)
                    await self._keep(request, answer)
                    paid += 1
                    objection = request.objection(answer.outcome, answer.raw)
                    if objection is None or paid >= CONTENT_ATTEMPTS:
                        return answer
                    if answer.outcome == "truncated":
                        output_tokens = self._more_output(used, answer)
                    failing_since = None
                    continue
            if seen.kind == "refused" and (self.capability != used or await self._adapt(used, seen)):
                continue
            if seen.kind in ("refused", "request"):
                return Failure(str(seen), endpoint=False)
            if seen.kind == "endpoint":
                self._broken = f"{self.endpoint.model} at {self.endpoint.base_url}: {seen}."
                continue
            if (seen.retry_after or 0.0) > self.endpoint.retry_seconds:
                return self._asked_to_wait(request, seen)
            faults += seen.kind == "transient"
            failing_since = failing_since or time.monotonic()
            self._failing.add(request.hash)
            self._failing_since = self._failing_since or failing_since
            delay = self._backoff(faults, seen, taken_at)
            spent = time.monotonic() - failing_since
            silent = self._silent_for() >= spent
            if spent + delay > self.endpoint.retry_seconds or (faults >= TRANSIENT_ATTEMPTS and not silent):
                if silent and len(self._failing) >= max(_ENDPOINT_QUESTIONS, self._limiter.in_flight):
                    self._broken = f"{self.endpoint.model} at {self.endpoint.base_url} does not answer: {seen}."
                return Failure(f"Gave up after {spent:.0f} s: {seen}.", endpoint=self._broken is not None)
            await asyncio.sleep(delay)

    def _asked_to_wait(self, request: Request, fault: FaultError) -> Failure:
        """Nobody waits longer than `retry_seconds`; when several questions in a row would have to, none is asked."""
        waits = f"{self.endpoint.model} at {self.endpoint.base_url} asks to wait {fault.retry_after or 0:,.0f} s"
        reason = f"{waits}, and retry_seconds is {self.endpoint.retry_seconds:,.0f}: {fault}."
        self._failing.add(request.hash)
        if len(self._failing) >= _ENDPOINT_QUESTIONS:
            self._broken = reason
        return Failure(reason, endpoint=True)

    async def _keep(self, request: Request, answer: Received) -> None:
        try:
            await self._record(request, answer)
        except Exception:
            self._broken = "Answers cannot be stored."  # those who wait for a place must not pay for more
            raise

    def _answered(self, used: Capability) -> None:
        self._failing_since = None
        self._failing.clear()
        self._limiter.succeeded()
        if self.capability == used and not used.proven:
            self.capability = replace(used, proven=True)

    async def _adapt(self, used: Capability, fault: FaultError) -> bool:
        """Whether there is another way to ask than the one that was refused."""
        assert fault.refusal is not None
        changed = used.without(fault.refusal)
        if changed is not None:
            self.capability = changed
        elif not used.proven:
            await self._probe(used)
        return self.capability != used and (changed is not None or not self._same_form(used))

    def _same_form(self, used: Capability) -> bool:
        return replace(self.capability, proven=False) == replace(used, proven=False)

    async def _probe(self, used: Capability) -> None:
        """Find out with a question of our own, once, whether it is the form that is refused."""
        async with self._probing:
            if self.capability != used:
                return
            probe = Request(Prefix(self.endpoint, PROBE), PROBE_QUESTION)
            for capability in used.ladder():
                try:
                    answer = await send(probe, capability)
                except FaultError as fault:
                    if fault.kind == "refused":
                        continue
                    return
                await self._record(probe, answer)
                self.capability = replace(capability, proven=True)
                return

    def _more_output(self, used: Capability, answer: Received) -> int | None:
        """A larger limit for this question; for all when it was reasoning that used the limit up."""
        more = used.with_more_output()
        if more is not None and answer.tokens_reasoning and self.capability == replace(used, proven=True):
            self.capability = replace(more, proven=True)
        return more.output_tokens if more else None

    def _backoff(self, faults: int, fault: FaultError, taken_at: float) -> float:
        if fault.kind == "throttled":
            self.throttles += 1
            self._limiter.throttled(taken_at, fault.retry_after)
        elif faults > 1:
            self._limiter.throttled(taken_at)
        longest = min(_FIRST_BACKOFF * 2 ** min(faults + 1, 10), _MAX_BACKOFF)
        return max(fault.retry_after or 0.0, random.uniform(longest / 2, longest))  # noqa: S311 - not for secrets

    def _silent_for(self) -> float:
        """Seconds in which no question was answered though some were asked."""
        return time.monotonic() - self._failing_since if self._failing_since is not None else 0.0
