"""Judging any number of conversations in bounded memory: plan, claim, ask, store, hand over.

Conversations are taken in chunks, most urgent first. Of each, one question goes first and warms the server's prefix
cache, then the others follow. A conversation that was begun is finished before the next is begun, as far as its answers
allow: what follows, and what is tried again, goes before what has never been asked. Every answer is stored within a
second or `write_batch` answers; the database is never open between. After a kill at any instant, what was paid for and
is not stored is at most what was in flight (the endpoint's `max_concurrency`) plus `write_batch` answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, groupby

from pipeline.judge.asker import Asker, Failure
from pipeline.judge.completion import Received
from pipeline.judge.judgement import OVER_BUDGET, Result
from pipeline.judge.ledger import Arrived, Claim, Ledger, Stored
from pipeline.judge.plan import Ask
from pipeline.judge.prompt import Request
from pipeline.judge.writer import Writer
from pipeline.settings_models import ModelEndpoint

CHUNK = 512
"""Conversations that are planned and claimed together."""
_FIRST_LOOK_SECONDS, _LOOK_SECONDS = 0.2, 2.0  # between looks at what another process is asking
_HAND_OVER_SECONDS = 5.0  # a slow answer holds up its own conversation and, for so long, those of its chunk
_turns = count()  # of the process: its runs share the limiters


@dataclass(frozen=True)
class Spent:
    """Usage of one request in this run, every paid try together."""

    calls: int = 0
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0

    def __add__(self, other: Spent | Received) -> Spent:
        """Both together; an answer is one call."""
        return Spent(
            self.calls + (other.calls if isinstance(other, Spent) else 1),
            self.tokens_in + other.tokens_in,
            self.tokens_cached + other.tokens_cached,
            self.tokens_out + other.tokens_out,
            self.cost_usd + other.cost_usd,
        )


@dataclass
class Counters:
    """Live figures of a run."""

    conversations: int = 0
    done: int = 0
    reused: int = 0
    failed: int = 0
    over_budget: int = 0
    throttled: int = 0
    spent: Spent = field(default_factory=Spent)


Plan = Callable[[Sequence[str]], list[Ask]]
HandOver = Callable[[list[Ask], dict[str, Result], dict[str, Spent]], None]
Progress = Callable[[Counters], None]


class Engine:
    """One run of the judge.

    Args:
        ledger: where answers are looked up and stored.
        write_batch: answers that may be in memory and not yet stored.
        concurrency: requests that may be under way at once, over all endpoints.
        progress: called on the judge's thread after each write and each chunk of conversations.
    """

    def __init__(self, ledger: Ledger, *, write_batch: int, concurrency: int, progress: Progress | None = None) -> None:
        self.counters = Counters()
        self._ledger = ledger
        self._progress = progress or (lambda _: None)
        self._concurrency = concurrency
        # A chunk ends with its slowest answer: meanwhile so many others wait that no place is idle.
        self._ahead = CHUNK + 5 * concurrency
        self._open = 0  # conversations that were begun and not handed over
        self._handed_over = asyncio.Condition()
        self._beginning = asyncio.Lock()
        self._database = asyncio.Lock()
        self._writer = Writer(ledger, self._database, write_batch, self._stored)
        self._askers: dict[ModelEndpoint, Asker] = {}
        self._asking: dict[str, asyncio.Task[Result]] = {}
        self._spent: dict[str, Spent] = {}

    async def run(self, conversation_ids: Sequence[str], plan: Plan, hand_over: HandOver) -> None:
        """Judge the conversations.

        Args:
            conversation_ids: most urgent first.
            plan: reads some of them and says what to ask; called in a thread.
            hand_over: given what became of some conversations, and what each request cost that was sent for them;
                called in a thread, once for each conversation.

        Raises:
            StoreUnavailableError: answers could not be stored.
        """
        self.counters.conversations = len(conversation_ids)
        try:
            async with self._writer:
                try:
                    async with asyncio.TaskGroup() as group:
                        for chunk in self._chunks(conversation_ids):
                            async with self._handed_over:
                                await self._handed_over.wait_for(lambda: self._open <= self._ahead)
                            self._open += len(chunk)
                            group.create_task(self._judge(chunk, plan, hand_over))
                finally:
                    await self._learn()
        except BaseExceptionGroup as failures:
            first: BaseException = failures
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None

    def _chunks(self, ids: Sequence[str]) -> Iterator[Sequence[str]]:
        """The first is what can be asked at once: the others are planned while its answers are waited for."""
        first = min(self._concurrency, CHUNK)
        yield ids[:first]
        yield from (ids[at : at + CHUNK] for at in range(first, len(ids), CHUNK))

    async def _judge(self, ids: Sequence[str], plan: Plan, hand_over: HandOver) -> None:
        results: dict[str, Result] = {}
        async with asyncio.TaskGroup() as group:
            async with self._beginning:  # one at a time: newest first is served first
                async with self._database:
                    asks = await asyncio.to_thread(plan, ids)
                asking = await self._begin(asks, results, group)
            waiting = [list(of_one) for _, of_one in groupby(asks, key=lambda ask: ask.conversation_id)]
            while True:
                if asking:
                    _, asking = await asyncio.wait(asking, timeout=_HAND_OVER_SECONDS)
                ready = [ask for of_one in waiting if _known(of_one, results) for ask in of_one]
                waiting = [of_one for of_one in waiting if not _known(of_one, results)]
                if ready:
                    await self._finish(ready, results, hand_over)
                if not asking:
                    return

    async def _begin(
        self, asks: Sequence[Ask], results: dict[str, Result], group: asyncio.TaskGroup
    ) -> set[asyncio.Task[None]]:
        """Look up, claim and start to ask; what becomes of a request comes into `results`."""
        asking: set[asyncio.Task[None]] = set()
        waiting = list({request.hash: request for ask in asks for request in ask.all_requests}.values())
        while waiting:
            async with self._database:
                claim = await asyncio.to_thread(self._ledger.claim, waiting)
            self._reuse(claim, waiting, results)
            sent = self._send(claim, waiting, results, group)
            asking |= set(sent.values())
            if followed := [request for request in waiting if request.hash in claim.elsewhere - sent.keys()]:
                asking.add(group.create_task(self._follow(followed, results, group)))
            known = results.keys() | sent.keys() | claim.elsewhere
            waiting = [request for request in waiting if request.hash not in known]
            if waiting and not await self._money_came_free():
                results |= {request.hash: OVER_BUDGET for request in waiting}
                self.counters.over_budget += len(waiting)
                break
        return asking

    def _send(
        self, claim: Claim, requests: Sequence[Request], results: dict[str, Result], group: asyncio.TaskGroup
    ) -> dict[str, asyncio.Task[None]]:
        """Start to ask what was granted, or to wait for what this process asks already; tasks by request hash."""
        sent = [request for request in requests if request.hash in claim.granted or request.hash in self._asking]
        sent = [request for request in sent if request.hash not in results]
        tasks: dict[str, asyncio.Task[None]] = {}
        for _, same in groupby(sent, key=lambda request: id(request.prefix)):
            about = list(same)
            task = group.create_task(self._collect(self._ask_about(about, claim), results))
            tasks |= {request.hash: task for request in about}
        return tasks

    async def _follow(self, requests: list[Request], results: dict[str, Result], group: asyncio.TaskGroup) -> None:
        """Wait for answers that another process is paying for; ask what it leaves unanswered."""
        pause = _FIRST_LOOK_SECONDS
        while requests:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LOOK_SECONDS)
            async with self._database:
                claim = await asyncio.to_thread(self._ledger.claim, requests)
            self._reuse(claim, requests, results)
            if sent := self._send(claim, requests, results, group):
                await asyncio.wait(set(sent.values()))
            requests = [request for request in requests if request.hash not in results]
            left = [request for request in requests if request.hash not in claim.elsewhere]
            if left and not await self._money_came_free():
                results |= {request.hash: OVER_BUDGET for request in left}
                self.counters.over_budget += len(left)
                requests = [request for request in requests if request.hash not in results]

    async def _finish(self, asks: list[Ask], results: dict[str, Result], hand_over: HandOver) -> None:
        hashes = {request.hash for ask in asks for request in ask.all_requests}
        spent = {key: self._spent.pop(key) for key in hashes if key in self._spent}
        async with self._database:
            await asyncio.to_thread(hand_over, asks, results, spent)
        number = len({ask.conversation_id for ask in asks})
        self.counters.done += number
        async with self._handed_over:
            self._open -= number
            self._handed_over.notify_all()
        self._progress(self.counters)

    def _reuse(self, claim: Claim, requests: Sequence[Request], results: dict[str, Result]) -> None:
        for request in requests:
            stored = claim.answers.get(request.hash)
            if stored is not None and stored.settles(request):
                results[request.hash] = stored
                self.counters.reused += 1

    async def _money_came_free(self) -> bool:
        """Wait for a question that is under way: it may cost less than was held back. False when there is none."""
        await asyncio.sleep(0)  # let the tasks that were just made register their questions
        if not self._asking:
            return False
        await asyncio.wait(list(self._asking.values()), return_when=asyncio.FIRST_COMPLETED)
        await self._writer.flush()
        return True

    def _ask_about(self, requests: Sequence[Request], claim: Claim) -> dict[str, asyncio.Task[Result]]:
        """One question first, so that the server has read the conversation when the others come.

        Equal questions are asked once, whichever metric or conversation they come from.
        """
        turn = next(_turns)
        first: asyncio.Task[Result] | None = None
        tasks: dict[str, asyncio.Task[Result]] = {}
        for request in requests:
            if (task := self._asking.get(request.hash)) is None:
                task = asyncio.create_task(self._ask(request, claim.answers.get(request.hash), turn, after=first))
                self._asking[request.hash] = task
            first = first or task
            tasks[request.hash] = task
        return tasks

    async def _collect(self, tasks: Mapping[str, asyncio.Task[Result]], results: dict[str, Result]) -> None:
        answers = await asyncio.gather(*tasks.values())
        results |= dict(zip(tasks, answers, strict=True))

    async def _ask(
        self, request: Request, stored: Stored | None, turn: int, after: asyncio.Task[Result] | None
    ) -> Result:
        if after is not None:
            await asyncio.wait([after])
        asker = await self._asker(request.endpoint)
        paid = stored.paid if stored else 0
        objection = request.objection(stored.outcome, stored.raw) if stored else None
        answer = await asker.ask(request, paid, turn, objection)
        self._writer.finish(request)
        self.counters.throttled = sum(asker.throttles for asker in self._askers.values())
        if answer is None:
            self.counters.over_budget += 1
            return OVER_BUDGET
        if isinstance(answer, Failure):
            self.counters.failed += 1
            return answer
        return Stored(
            outcome=answer.outcome,
            raw=answer.raw,
            model=request.endpoint.model,
            returned_model=answer.returned_model,
            mode=answer.mode,
            seconds=answer.seconds,
            paid=paid + self._spent[request.hash].calls,
        )

    async def _asker(self, endpoint: ModelEndpoint) -> Asker:
        if endpoint not in self._askers:
            async with self._database:
                if endpoint not in self._askers:
                    capability = await asyncio.to_thread(self._ledger.capability, endpoint)
                    self._askers[endpoint] = Asker(endpoint, capability, self._record, lambda: self._ledger.overspent)
        return self._askers[endpoint]

    async def _record(self, request: Request, answer: Received) -> None:
        self._spent[request.hash] = self._spent.get(request.hash, Spent()) + answer
        self.counters.spent += answer
        self._ledger.spend(request.hash, answer.cost_usd)
        await self._writer.add(Arrived(request.hash, request.endpoint, answer, datetime.now(UTC)))

    def _stored(self, done: Sequence[Request]) -> None:
        for request in done:
            self._asking.pop(request.hash, None)
        self._progress(self.counters)

    async def _learn(self) -> None:
        for endpoint, asker in self._askers.items():
            if asker.learned:
                async with self._database:
                    await asyncio.to_thread(self._ledger.learn, endpoint, asker.capability)


def _known(asks: Sequence[Ask], results: Mapping[str, Result]) -> bool:
    """Whether it is known what became of all requests."""
    return all(request.hash in results for ask in asks for request in ask.all_requests)
