"""What the modes of one run share, and what the modes that cost money are given and give back.

The contract of `judged.evaluate_judged` and `python_mode.evaluate_python`:

    def evaluate_…(run: RunContext, work: Sequence[CappedWork]) -> Mapping[str, CappedResult]

They are called without a connection open, open one with `run.store.transaction()` only to write, and store values with
`values.write_values` as the answers arrive. Every conversation of a `CappedWork` gets exactly one state in the result
of its metric; what has no state there breaks the ledger. States that say a conversation was not looked at
(`over_budget`, `no_model`) are only returned: the run writes them, never over a stored value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from pipeline.catalog.catalog import Catalog, Metric
from pipeline.judge.batch import BatchDesk
from pipeline.judge.engine import Counters
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.window import Window


@dataclass(frozen=True)
class RunContext:
    """One call of `extract`.

    Attributes:
        run_id: on every row that the run writes.
        now: the instant of `computed_at`; conversations settled after `as_of` are pending.
        batch: when given, judged metrics are asked through the Batch API and not directly.
        on_judged: called with the judge's live counters, on another thread.
        redecide: whether conversations that a policy left out are decided anew; only a backfill does.
    """

    store: Store
    settings: Settings
    catalog: Catalog
    window: Window
    run_id: str
    now: datetime
    batch: BatchDesk | None = None
    on_judged: Callable[[Counters], None] | None = None
    redecide: bool = False

    @property
    def as_of(self) -> datetime:
        """The instant at which a conversation must have settled to be looked at."""
        return min(self.window.end, self.now)


@dataclass(frozen=True)
class CappedWork:
    """The conversations that one judged or python metric is to evaluate, after reuse, scope, gate, sampling and cap.

    Attributes:
        conversations: Arrow table, most urgent first, with columns `conversation_id`, `content_hash`,
            `observed_at`, `first_arrival_at`, `traffic`, `service_id` (as they stand on the value row) and `attempts`
            (BIGINT: how often the value has ended in `error` so far; the next error row has one more).
    """

    metric: Metric
    conversations: pa.Table


@dataclass(frozen=True)
class CappedResult:
    """What became of a `CappedWork`.

    Attributes:
        states: the state of every conversation that was handed over.
        failure: one line when the definition could not be run at all; its conversations may then lack a state.
    """

    states: Mapping[str, str]
    calls: int = 0
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0
    failure: str | None = field(default=None)
