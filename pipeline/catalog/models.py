"""What a metric definition is, field by field.

Names, types, limits and defaults of the first group are those of the published metric-store contract; the rest is ours.
A rule about one field is stated here; a rule about several is in `validation`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", min_length=1, max_length=64)]

MetricType = Literal["numerical", "categorical", "boolean"]
Source = Literal[
    "call_intelligence",
    "world_events",
    "surface_events",
    "emotion_events",
    "connector_events",
    "zerobus_events",
    "voice_judge_results",
    "custom",
]
ExtractionMode = Literal[
    "static",
    "pattern",
    "formula",
    "threshold",
    "sql_expr",
    "written",
    "ai_classify",
    "ai_extract",
    "ai_query",
    "python",
]
Aggregation = Literal[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "count_distinct",
    "ratio",
    "rate",
    "median",
    "p50",
    "p90",
    "p95",
    "p99",
    "stddev",
]
Fold = Literal["first", "last", "any", "all", "count", "avg", "min", "max", "median", "p95", "p99", "sum"]
Operator = Literal["==", "!=", "<", "<=", ">", ">="]

JUDGED_MODES: frozenset[ExtractionMode] = frozenset({"ai_classify", "ai_extract", "ai_query"})
CAPPED_MODES: frozenset[ExtractionMode] = JUDGED_MODES | {"python"}
EVENT_DOMAINS: dict[Source, str | None] = {
    "world_events": None,
    "surface_events": "surface",
    "emotion_events": "emotion",
    "connector_events": "connector",
    "zerobus_events": "zerobus",
    "voice_judge_results": "voice_judge",
    "custom": None,
}
"""Sources that read `events`, and the `domain` they are bound to; `custom` is bound to its `custom_source_key`."""


class Model(BaseModel):
    """Base of everything read from YAML: unknown fields are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Label(Model):
    """One class that a model may answer."""

    label: str = Field(min_length=1, max_length=128)
    description: str | None = Field(default=None, max_length=1000)


class PatternEnd(Model):
    """What one end of a temporal pattern looks for in a turn: keywords or a regular expression."""

    keywords: tuple[str, ...] = Field(default=(), max_length=200, description="Whole words, any of them, any case.")
    regex: str | None = Field(default=None, min_length=1, max_length=2000, description="RE2 syntax.")
    role: str | None = Field(default=None, max_length=64, description="Only turns of this role, for example agent.")


class PatternSpec(PatternEnd):
    """Keywords or a regular expression over turns; with `outcome`, a trigger followed by an outcome in time."""

    case_sensitive: bool = False
    result: Literal["exists", "count", "first_offset"] = Field(
        default="exists",
        description="Boolean; matching turns (numerical); seconds from the start to the first match (numerical).",
    )
    outcome: PatternEnd | None = None
    within_seconds: float | None = Field(default=None, gt=0)
    within_turns: int | None = Field(default=None, ge=1, le=1000)


class ThresholdSpec(Model):
    """A boolean over another metric: its values of one conversation are folded, then compared."""

    metric: Key
    operator: Operator
    value: float | str | bool
    fold: Fold | Literal["each"] = Field(default="each", description="`each`: every value must satisfy the comparison.")
    count: int | None = Field(default=None, ge=1, description="With fold `count`: how many values must satisfy it.")


class ScaleBand(Model):
    """A named range of a scale, both ends included."""

    range_min: float
    range_max: float
    label: str = Field(min_length=1, max_length=128)
    description: str | None = Field(default=None, max_length=1000)


class ScaleSpec(Model):
    """A bounded scale with labelled bands."""

    min: int = Field(ge=0, le=100)
    max: int = Field(ge=0, le=100)
    bands: tuple[ScaleBand, ...] = Field(default=(), max_length=20)


class MetricDefinition(Model):
    """One metric: what to read, how to extract a value for each conversation, how to aggregate the values."""

    key: Key
    name: str = Field(min_length=1, max_length=256)
    description: str | None = Field(default=None, max_length=2000)
    metric_type: MetricType
    source: Source
    custom_source_key: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$", max_length=128)
    event_types: tuple[str, ...] = Field(min_length=1, max_length=100)
    source_filter: str | None = Field(default=None, max_length=2000, description="SQL condition over allowed columns.")
    extraction_mode: ExtractionMode = "static"
    extract_path: str | None = Field(default=None, max_length=1000, description="JSONPath for `static`.")
    ai_labels: tuple[str | Label, ...] | None = Field(default=None, max_length=200)
    ai_schema: dict[str, Any] | None = None
    ai_query_prompt: str | None = Field(default=None, max_length=8000)
    ai_query_endpoint: str | None = Field(default=None, max_length=256)
    prompt: str | None = Field(default=None, max_length=4000)
    model_tier: Literal["free", "fast", "balanced", "max", "custom"] = "free"
    sql_expression: str | None = Field(default=None, max_length=1000, description="Built-ins only.")
    aggregation: Aggregation = "count"
    ratio_numerator_event: str | None = None
    ratio_denominator_event: str | None = None
    valid_range_min: float | None = None
    valid_range_max: float | None = None
    categories: tuple[str, ...] | None = Field(default=None, max_length=500)
    unit: str | None = Field(default=None, max_length=32)
    period_granularity: Literal["hourly", "daily"] = "daily"
    granularity: Literal["aggregate", "per_entity"] = "aggregate"
    latency_tier: Literal["streaming", "near_realtime", "batch"] = "batch"
    freshness_sla_minutes: int = Field(default=60, ge=5, le=1440)
    channel_scope: Literal["all", "voice", "text", "surface", "inbound", "outbound"] = "all"
    applies_to_product_types: tuple[str, ...] | None = Field(default=None, description="Any of these tags.")
    active: bool = True
    builtin: bool = False

    # Ours, beside the contract.
    scope: Literal["conversation", "participant", "turn"] = "conversation"
    participant_role: str | None = Field(default=None, max_length=64, description="With scope participant or turn.")
    fold: Fold | None = Field(default=None, description="How values below a conversation become its one value.")
    pattern: PatternSpec | None = None
    formula: str | None = Field(default=None, max_length=2000, description="Over other metrics' keys.")
    threshold: ThresholdSpec | None = None
    written_name: str | None = Field(default=None, max_length=128, description="Name the agent writes; default `key`.")
    repeated: Literal["first", "last", "list", "sum", "count"] = Field(
        default="last", description="`written`: what several writes in one conversation become."
    )
    python_file: str | None = Field(default=None, max_length=256, description="Under definitions/python/.")
    ratio_numerator_metric: Key | None = None
    ratio_denominator_metric: Key | None = None
    gate: str | None = Field(default=None, max_length=2000, description="Formula; false means not applicable.")
    sampling_rate: float = Field(default=1.0, gt=0, le=1)
    selection: Literal["recent", "hash", "stratified"] = "recent"
    cap: int | None = Field(default=None, ge=1, description="Newest conversations per run; default by mode.")
    repeat: int = Field(default=1, ge=1, le=25, description="Independent answers of a model for one value.")
    scale: ScaleSpec | None = None
    true_label: str | None = Field(default=None, max_length=128)
    false_label: str | None = Field(default=None, max_length=128)
    multi_label: bool = False
    max_labels: int | None = Field(default=None, ge=1, le=200)
    goal: Literal["higher", "lower", "neutral"] = "neutral"
    tags: tuple[str, ...] = ()
    group: str | None = Field(default=None, max_length=128)

    @property
    def judged(self) -> bool:
        """Whether a model is asked."""
        return self.extraction_mode in JUDGED_MODES

    @property
    def event_level(self) -> bool:
        """Whether every event is an entity of its own and periods are aggregated straight from `events`.

        With a `fold` the events of one conversation become its one value instead; voice judge results always do.
        """
        return (
            self.source in EVENT_DOMAINS
            and self.source != "voice_judge_results"
            and self.extraction_mode in ("static", "sql_expr")
            and self.fold is None
        )


class DefinitionFile(Model):
    """A YAML file of definitions: one family of metrics."""

    definitions: tuple[MetricDefinition, ...]


PRESENTATION_FIELDS = frozenset(
    {
        "name",
        "description",
        "unit",
        "tags",
        "group",
        "goal",
        "active",
        "builtin",
        "freshness_sla_minutes",
        "latency_tier",
        "period_granularity",
        "granularity",
    }
)
"""Fields that are only shown."""

AGGREGATE_FIELDS = frozenset(
    {
        "aggregation",
        "ratio_numerator_event",
        "ratio_denominator_event",
        "ratio_numerator_metric",
        "ratio_denominator_metric",
    }
)
"""Fields that change period rows but no value: an edit makes the metric's periods stale and extracts nothing again."""

SELECTION_FIELDS = frozenset({"cap", "selection", "sampling_rate"})
"""Fields that decide which conversations get a value, not what the value is."""

UNVERSIONED_FIELDS = PRESENTATION_FIELDS | AGGREGATE_FIELDS | SELECTION_FIELDS
