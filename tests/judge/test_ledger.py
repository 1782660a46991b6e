"""Two processes share one budget, and a dead one gives back what it held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.catalog.catalog import Metric
from pipeline.catalog.models import MetricDefinition
from pipeline.judge.completion import Received
from pipeline.judge.conversation import Conversation, Turn
from pipeline.judge.ledger import Arrived, StoreLedger
from pipeline.judge.plan import plan
from pipeline.judge.prompt import Request
from pipeline.settings_models import Budget, ModelEndpoint, Models

ENDPOINT = ModelEndpoint(model="m", base_url="http://127.0.0.1:1/v1", usd_in=1.0)
METRIC = Metric(
    MetricDefinition(
        key="m", name="m", metric_type="numerical", source="call_intelligence", event_types=("call_intelligence.row",),
        extraction_mode="ai_query", ai_query_prompt="?",
    ), "0" * 64, "file", "f",
)  # fmt: skip


def requests(first: int, number: int) -> list[Request]:
    talks = [Conversation(str(at), (Turn(0, "user", f"call {at}"),)) for at in range(first, first + number)]
    return [plan(Models(default=ENDPOINT), [METRIC], talk)[0].all_requests[0] for talk in talks]


def answered(request: Request, usd: float) -> Arrived:
    answer = Received("answered", "7", "stop", "m", "text", 10, 0, 1, 0, usd, 0.1)
    return Arrived(request.hash, ENDPOINT, answer, datetime.now(UTC))


def test_two_processes_share_the_budget(store: Any) -> None:
    one, two = (StoreLedger(store, run, Budget(calls_per_day=10)) for run in ("one", "two"))
    mine, theirs = requests(0, 8), requests(100, 8)
    assert len(one.claim(mine).granted) == 8
    granted = two.claim(theirs).granted
    assert granted == {request.hash for request in theirs[:2]}, "the first come first"
    one.keep([answered(request, 0.0) for request in mine[:3]], mine)
    assert len(two.claim(theirs[2:]).granted) == 5, "five were held and not used"


def test_a_dead_process_gives_back_what_it_held(store: Any) -> None:
    StoreLedger(store, "dead", Budget(calls_per_day=10)).claim(requests(0, 10))
    alive = StoreLedger(store, "alive", Budget(calls_per_day=10))
    assert not alive.claim(requests(100, 1)).granted
    with store.transaction() as con:
        con.execute("UPDATE judge_reservations SET expires_at = ?", [datetime.now(UTC) - timedelta(seconds=1)])
    assert alive.claim(requests(100, 1)).granted


def test_a_day_and_a_run_have_budgets_of_their_own(store: Any) -> None:
    asked = requests(0, 4)
    StoreLedger(store, "early").keep([answered(asked[0], 0.9)], [])
    assert not StoreLedger(store, "early", Budget(usd_per_run=0.9)).claim(asked[1:2]).granted
    assert StoreLedger(store, "later", Budget(usd_per_run=0.9)).claim(asked[1:2]).granted
    assert not StoreLedger(store, "later", Budget(usd_per_day=0.9)).claim(asked[1:2]).granted
    assert StoreLedger(store, "later", Budget(usd_per_day=0.9)).claim(asked[:1]).answers, "what is paid for is free"
