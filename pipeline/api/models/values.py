"""Value rows: three shapes told apart by `metric_type`, with the honest fields beside the published ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from pipeline.store import STATES

StateCounts = Annotated[
    dict[str, int], Field(description=f"How many of the eligible ended in each state: {', '.join(STATES)}.")
]


class Interval(BaseModel):
    """What the value would be within, were it measured again: 95 %."""

    low: float
    high: float
    method: Literal["hall", "clopper_pearson", "order_statistic", "bonett"]


class CategoryShare(BaseModel):
    """One category of a categorical metric."""

    category: str
    count: float = Field(description="Conversations with this category.")
    share: float | None = Field(description="Of all conversations with a value.")
    interval: Interval | None = None


class _Row(BaseModel):
    metric_key: str
    period_start: AwareDatetime
    period_end: AwareDatetime
    event_count: int = Field(description="n: how many values entered.")
    source: str = Field(default="production", description="Traffic class: production or simulation.")
    entity_type: str | None = Field(default=None, description="Null on aggregates; `call` on values of a conversation.")
    entity_id: str | None = None
    service_id: str | None = None
    run_id: str | None = None
    session_id: str | None = None
    avg_confidence: float | None = None
    unit: str | None = None
    computed_at: AwareDatetime | None = None

    # Ours, beside the contract.
    granularity: str | None = Field(default=None, description="hour, day, week or month; null on single values.")
    aggregation: str | None = None
    eligible_count: int | None = Field(default=None, description="Conversations that could have had a value.")
    coverage: float | None = Field(default=None, description="n over the eligible to which the metric applies.")
    states: StateCounts | None = None
    interval: Interval | None = None
    selection: str | None = Field(default=None, description="all, or how those that were examined were chosen.")
    estimated: bool | None = Field(default=None, description="Extrapolated from the examined to all eligible.")
    interval_about: Literal["process", "period"] | None = Field(
        default=None,
        description="Whether the interval is about what such a period gives (process), or about this very period of"
        " which conversations were left out (period).",
    )
    bound_low: float | None = Field(default=None, description="The value if all that has none were least possible.")
    bound_high: float | None = Field(default=None, description="The value if all that has none were greatest possible.")
    uncovered_share: float | None = Field(
        default=None, description="Share of the eligible in hours of which nothing was examined."
    )
    revision_reason: str | None = Field(
        default=None, description="Why the row was revised, for example values or method."
    )
    revision: int | None = Field(default=None, description="1 at first; one more each time the row changed.")
    superseded_at: AwareDatetime | None = Field(default=None, description="With `as_known_at`: when it changed later.")
    definition_version: str | None = None
    delta: float | None = Field(
        default=None, description="Change against the previous period; null for a total while one is not over."
    )
    complete: bool | None = Field(default=None, description="Whether the period is over; with trends and lists.")
    delta_low: float | None = Field(default=None, description="Lower end of the 95 % interval of the change.")
    delta_high: float | None = Field(default=None, description="Upper end of the 95 % interval of the change.")
    p_value: float | None = Field(default=None, description="Of no change.")
    stands_out: bool | None = Field(
        default=None,
        description="More than chance among all rows of the answer (Benjamini-Hochberg, 10 %); null for totals.",
    )
    direction: Literal["good", "bad", "neutral"] | None = Field(
        default=None,
        description="What a change that stands out means, given the metric's goal; `neutral` if it does not stand out.",
    )


class NumericalMetricValue(_Row):
    """A number: every count, and every aggregate but a category."""

    metric_type: Literal["numerical"]
    value: float | None


class CategoricalMetricValue(_Row):
    """A category; on aggregates the most frequent one, with all of them beside it."""

    metric_type: Literal["categorical"]
    value: str | None
    distribution: list[CategoryShare] | None = None


class BooleanMetricValue(_Row):
    """A single true or false; an aggregated boolean is a numerical row."""

    metric_type: Literal["boolean"]
    value: bool | None


MetricValue = Annotated[
    NumericalMetricValue | CategoricalMetricValue | BooleanMetricValue, Field(discriminator="metric_type")
]


_EXAMPLE: JsonDict = {
    "metric_key": "empathy_score",
    "metric_type": "numerical",
    "value": 7.4,
    "source": "production",
    "period_start": "2026-04-28T00:00:00Z",
    "period_end": "2026-04-29T00:00:00Z",
    "event_count": 412,
    "eligible_count": 500,
    "coverage": 0.86,
    "states": {"ok": 412, "not_applicable": 21, "abstained": 60, "error": 7},
    "interval": {"low": 7.2, "high": 7.6, "method": "hall"},
    "unit": "score",
    "computed_at": "2026-04-28T21:11:42.847442Z",
    "revision": 2,
}


class MetricListResponse(BaseModel):
    """Value rows."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"metrics": [_EXAMPLE]}]})

    metrics: list[MetricValue]


class TrendResponse(MetricListResponse):
    """Value rows, oldest first, with what the newest says against the one before it."""

    timezone: str
    granularity: str


class Percentiles(BaseModel):
    """Of the values, by linear interpolation."""

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None


class BreakdownGroup(BaseModel):
    """One group: the aggregate as the metric defines it, and how its values are spread."""

    group: str | None = Field(
        description="Null: conversations that have no service, channel or category; and the rest."
    )
    rest: bool = Field(default=False, description="Everything beyond the groups that are shown.")
    metric: MetricValue
    mean: float | None
    minimum: float | None
    maximum: float | None
    percentiles: Percentiles | None


class BreakdownResponse(BaseModel):
    """Groups, those with most conversations first."""

    by: str
    date_from: AwareDatetime
    date_to: AwareDatetime
    groups: list[BreakdownGroup]


class MetricEvaluateRequest(BaseModel):
    """Which conversation to try a metric on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"subject_id": "CA3db8587c7ac832dbca306287ef5f42f9"}]})

    subject_id: str = Field(min_length=1, max_length=128, description="CallSid, call UUID, or simulation session ID.")
    as_of: AwareDatetime | None = Field(default=None, description="Only what had arrived by this instant.")
    persist: Literal[False] = Field(default=False, description="Nothing is ever stored.")


class MetricEvaluateResponse(BaseModel):
    """What the metric says about one conversation; nothing was stored."""

    metric: MetricValue
    persisted: Literal[False] = False
    evaluated_at: AwareDatetime
    status: str = Field(default="ok", description="State of the value; `metric.value` is null unless `ok`.")
    reasoning: str | None = None
    evidence: list[dict[str, Any]] | None = None


class Segment(BaseModel):
    """A turn at one end of what a value is about."""

    id: str = Field(description="Of the turn's event.")
    index: int = Field(description="Place among the conversation's turns, from 0.")
    text: str | None = Field(description="Null when the key may not read transcripts.")
    start_offset_ms: int | None = Field(description="From the conversation's start; null when an instant is unknown.")
    end_offset_ms: int | None = Field(description="Null also when the turn has no duration.")


class SingleValue(BaseModel):
    """The outcome of one metric for one conversation, or for one participant or segment of it."""

    metric_key: str
    definition_version: str
    entity_type: str
    entity_id: str
    context: Literal["CALL", "SEGMENT", "SEGMENT_RANGE"] = Field(
        description="Whether the value is about the whole conversation (or one participant in it), a turn, or several."
    )
    participant: str | None
    participant_role: str | None = Field(description="Role of the participant, or of the one who has the turn.")
    segment_from: int | None
    segment_to: int | None
    from_segment: Segment | None = Field(description="The first turn that the value is about.")
    to_segment: Segment | None = Field(description="The last one; the same for a single turn.")
    sample_index: int
    observed_at: AwareDatetime | None
    source: str
    service_id: str | None
    value: float | str | bool | list[str] | None
    status: str
    confidence: float | None
    reasoning: str | None = Field(description="Null when the key may not read transcripts.")
    evidence: list[dict[str, Any]] | None = Field(description="Quotes with turns; null like `reasoning`.")
    model: str | None
    error: str | None
    computed_at: AwareDatetime
    run_id: str


class SingleValuesResponse(BaseModel):
    """Values one by one, newest conversation first."""

    values: list[SingleValue]
    total: int = Field(description="How many there are in all.")
