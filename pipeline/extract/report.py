"""What a run did, metric by metric."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.errors import LedgerError
from pipeline.window import Window


@dataclass(frozen=True)
class MetricOutcome:
    """What became of one metric in one run.

    Attributes:
        eligible: conversations of the window; for an event-level metric, events of the hours to aggregate.
        states: how many of them ended in each state; states that nothing ended in are absent.
        reused: how many of them had a value already.
        computed: how many were extracted, or would be (dry run).
        tokens: input and output tokens of this run's model calls.
        tokens_cached: input tokens among them that stood in a repeated prefix.
        without_instant: how many of the eligible events have no instant, and so no period.
        seconds: of the mode's own work, shared evenly among the metrics that were extracted together.
        failure: one line when the definition could not be extracted at all, or too many errors came of it.
        cap: how many conversations one hourly partition may examine anew; None: all.
    """

    key: str
    version: str
    eligible: int = 0
    states: dict[str, int] = field(default_factory=dict)
    reused: int = 0
    computed: int = 0
    calls: int = 0
    tokens: int = 0
    tokens_cached: int = 0
    cost_usd: float = 0.0
    without_instant: int = 0
    seconds: float = 0.0
    failure: str | None = None
    cap: int | None = None

    def check(self) -> None:
        """Raise LedgerError unless every eligible entity ended in exactly one state."""
        if self.eligible != sum(self.states.values()):
            raise LedgerError(
                f"{self.key} {self.version[:12]}: {self.eligible} eligible, but the states add up to "
                f"{sum(self.states.values())} ({self.states}). Nothing was recorded; please report this."
            )


@dataclass(frozen=True)
class DayAtMost:
    """What the caps allow in a day of 24 hourly partitions.

    Attributes:
        metrics: how many have a cap.
        values: conversations that they examine anew, summed over the metrics.
        cost_usd: of those that ask a model, at the mean cost of a value in one run; None where that run asks nothing.
    """

    metrics: int
    values: int
    cost_usd: float | None

    @classmethod
    def of(cls, outcomes: Iterable[MetricOutcome]) -> DayAtMost:
        """From what one run did or would do."""
        capped = [(outcome, 24 * outcome.cap) for outcome in outcomes if outcome.cap is not None]
        paid = [most * one.cost_usd / one.computed for one, most in capped if one.computed and one.calls]
        return cls(len(capped), sum(most for _, most in capped), sum(paid) if paid else None)


@dataclass(frozen=True)
class ExtractReport:
    """What one call of `extract` did.

    Attributes:
        outcomes: in the order in which the metrics were finished.
        dry_run: nothing was written; `computed` says what would be.
    """

    run_id: str
    window: Window
    outcomes: tuple[MetricOutcome, ...]
    seconds: float
    dry_run: bool = False

    @property
    def failed(self) -> tuple[MetricOutcome, ...]:
        """The metrics that failed: as a whole, or for too many conversations."""
        return tuple(outcome for outcome in self.outcomes if outcome.failure is not None)
