"""What a metric definition is, field by field.

Names, types, limits and defaults of the first group are those of the published metric-store contract; the rest is ours.
A rule about one field is stated here; a rule about several is in `validation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from pipeline.catalog.aggregations import AGGREGATIONS
from pipeline.text import Composed

Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", min_length=1, max_length=64)]

Name = Annotated[str, Field(min_length=1, max_length=128)]

Words = Annotated[str, Field(min_length=1, max_length=128), Composed]
"""A label or keyword: text that is compared with what was said or found, in one spelling."""

PLAUSIBLE = 1e100
"""Numbers beyond this are out of range in every mode, so that no sum of squares overflows a double."""

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
if TYPE_CHECKING:
    AggregationName = str
else:
    AggregationName = Literal[tuple(AGGREGATIONS)]
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


def _selection(name: object) -> object:
    """`hash` and `stratified`, two earlier ways to sample at random, are read as the present one."""
    return "random" if name in ("hash", "stratified") else name


class Label(Model):
    """One class that a model may answer."""

    label: Words = Field(description="What the model answers.")
    description: str | None = Field(default=None, max_length=1000, description="When it holds; told to the model.")


class PatternEnd(Model):
    """What one end of a temporal pattern looks for in a turn: keywords or a regular expression."""

    keywords: tuple[Words, ...] = Field(default=(), max_length=200, description="Whole words, any of them, any case.")
    regex: Annotated[str, Composed] | None = Field(
        default=None, min_length=1, max_length=2000, description="RE2 syntax."
    )
    role: str | None = Field(default=None, max_length=64, description="Only turns of this role, for example agent.")


class PatternSpec(PatternEnd):
    """Keywords or a regular expression over turns; with `outcome`, a trigger followed by an outcome in time."""

    case_sensitive: bool = Field(default=False, description="Whether upper and lower case differ.")
    result: Literal["exists", "count", "first_offset"] = Field(
        default="exists",
        description="Boolean; matching turns (numerical); seconds from the start to the first match (numerical).",
    )
    outcome: PatternEnd | None = Field(default=None, description="What must follow for a match to count.")
    within_seconds: float | None = Field(default=None, gt=0, description="How soon the outcome must follow.")
    within_turns: int | None = Field(default=None, ge=1, le=1000, description="Within how many turns it must follow.")


class ThresholdSpec(Model):
    """A boolean over another metric: its values of one conversation are folded, then compared."""

    metric: Key = Field(description="The metric that is compared.")
    operator: Operator = Field(description="== and != for any type, the others for numbers.")
    value: Annotated[float | str | bool, Composed] = Field(
        description="What it is compared with, of the metric's type."
    )
    fold: Fold | Literal["each"] = Field(default="each", description="`each`: every value must satisfy the comparison.")
    count: int | None = Field(default=None, ge=1, description="With fold `count`: how many values must satisfy it.")


class ScaleBand(Model):
    """A named range of a scale, both ends included."""

    range_min: float = Field(description="First number of the band.")
    range_max: float = Field(description="Last number of the band.")
    label: str = Field(min_length=1, max_length=128, description="Name of the band.")
    description: str | None = Field(default=None, max_length=1000, description="When it holds; told to the model.")


class ScaleSpec(Model):
    """A bounded scale with labelled bands."""

    min: int = Field(ge=0, le=100, description="Lowest answer.")
    max: int = Field(ge=0, le=100, description="Highest answer.")
    bands: tuple[ScaleBand, ...] = Field(default=(), max_length=20, description="Named ranges; they do not overlap.")


class MetricDefinition(Model):
    """One metric: what to read, how to extract a value for each conversation, how to aggregate the values."""

    key: Key = Field(description="Unique name: lower-case letters, digits, underscores. A built-in's cannot be reused.")
    name: str = Field(min_length=1, max_length=256, description="Name shown to people.")
    description: str | None = Field(default=None, max_length=2000, description="What it measures, for people.")
    metric_type: MetricType = Field(description="Type of a value; cannot change once values exist.")
    source: Source = Field(description="What is read: conversations (`call_intelligence`) or a kind of event.")
    custom_source_key: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9_]*$",
        max_length=128,
        description="Domain of the events of source `custom`.",
    )
    event_types: tuple[Name, ...] = Field(
        min_length=1, max_length=100, description="Event types to scan; [call_intelligence.row] for conversations."
    )
    source_filter: str | None = Field(default=None, max_length=2000, description="SQL condition over allowed columns.")
    extraction_mode: ExtractionMode = Field(default="static", description="How a value is made.")
    extract_path: str | None = Field(
        default=None, max_length=1000, description="JSONPath for `static`, and of the field for `ai_extract`."
    )
    ai_labels: tuple[Words | Label, ...] | None = Field(
        default=None, min_length=1, max_length=200, description="Classes for `ai_classify`, fields for `ai_extract`."
    )
    ai_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema of what `ai_extract` extracts."
    )
    ai_query_prompt: str | None = Field(
        default=None, min_length=1, max_length=8000, description="Question for `ai_query`; {data}, {labels}, {$.path}."
    )
    ai_query_endpoint: str | None = Field(default=None, max_length=256, description="With model_tier `custom`.")
    prompt: str | None = Field(
        default=None, min_length=1, max_length=4000, description="Rubric given to the model; may hold {$.path}."
    )
    model_tier: Literal["free", "fast", "balanced", "max", "custom"] = Field(
        default="free", description="Which model of the settings is asked."
    )
    sql_expression: str | None = Field(default=None, max_length=1000, description="Built-ins only.")
    aggregation: AggregationName = Field(default="count", description="How the values of a period become one.")
    ratio_numerator_event: Name | None = Field(default=None, description="Event type that a `ratio` counts.")
    ratio_denominator_event: Name | None = Field(default=None, description="Event type that a `ratio` divides by.")
    valid_range_min: float | None = Field(default=None, description="A smaller number is `out_of_range`.")
    valid_range_max: float | None = Field(default=None, description="A greater number is `out_of_range`.")
    categories: tuple[Words, ...] | None = Field(
        default=None, min_length=1, max_length=500, description="Any other label is `unknown_category`."
    )
    unit: str | None = Field(default=None, max_length=32, description="Shown beside the number, for example seconds.")
    period_granularity: Literal["hourly", "daily"] = Field(default="daily", description="Period shown first.")
    granularity: Literal["aggregate", "per_entity"] = Field(
        default="aggregate", description="Whether the period or the single conversation is of interest."
    )
    latency_tier: Literal["streaming", "near_realtime", "batch"] = Field(
        default="batch", description="How soon it is wanted; every metric is computed in hourly batches."
    )
    freshness_sla_minutes: int = Field(default=60, ge=5, le=1440, description="Older than this it is reported stale.")
    channel_scope: Literal["all", "voice", "text", "surface", "inbound", "outbound"] = Field(
        default="all", description="Any other channel or direction is `not_applicable`."
    )
    applies_to_product_types: tuple[Name, ...] | None = Field(
        default=None, min_length=1, description="Any of these conversation tags."
    )
    active: bool = Field(default=True, description="False switches it off and keeps what it has computed.")
    builtin: bool = Field(default=False, description="Set by the loader, whatever the file says.")

    # Ours, beside the contract.
    scope: Literal["conversation", "participant", "turn"] = Field(
        default="conversation", description="What is looked at before `fold` makes one value of a conversation."
    )
    participant_role: Name | None = Field(default=None, description="With scope participant or turn: only this role.")
    fold: Fold | None = Field(default=None, description="How values below a conversation become its one value.")
    pattern: PatternSpec | None = Field(default=None, description="For `pattern`.")
    formula: Annotated[str, Composed] | None = Field(
        default=None, min_length=1, max_length=2000, description="Over other metrics' keys."
    )
    threshold: ThresholdSpec | None = Field(default=None, description="For `threshold`.")
    written_name: Name | None = Field(default=None, description="Name the agent writes; default `key`.")
    repeated: Literal["first", "last", "list", "sum", "count"] = Field(
        default="last", description="`written`: what several writes in one conversation become."
    )
    python_file: str | None = Field(
        default=None,
        max_length=256,
        pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\.py$",
        description="Under definitions/python/.",
    )
    ratio_numerator_metric: Key | None = Field(default=None, description="Metric whose sum a `ratio` takes.")
    ratio_denominator_metric: Key | None = Field(default=None, description="Metric whose sum a `ratio` divides by.")
    gate: Annotated[str, Composed] | None = Field(
        default=None, min_length=1, max_length=2000, description="Formula; false means not applicable."
    )
    sampling_rate: float = Field(
        default=1.0, gt=0, le=1, description="Share of conversations, the same ones every time."
    )
    selection: Annotated[Literal["random", "recent"], BeforeValidator(_selection)] = Field(
        default="random", description="Which conversations are taken when there are more than the cap."
    )
    cap: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Conversations newly examined per hour; default by mode."
    )
    repeat: int = Field(default=1, ge=1, le=25, description="Independent answers of a model for one value.")
    scale: ScaleSpec | None = Field(default=None, description="Bounds and bands of a judged number.")
    true_label: Words | None = Field(default=None, description="Shown, and told to a model, for true.")
    false_label: Words | None = Field(default=None, description="Shown, and told to a model, for false.")
    multi_label: bool = Field(default=False, description="Several categories may hold at once.")
    max_labels: int | None = Field(default=None, ge=1, le=200, description="With multi_label: at most so many.")
    language: str | None = Field(
        default=None, pattern="^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", description="Of a model's yes, no and the like."
    )
    goal: Literal["higher", "lower", "neutral"] = Field(default="neutral", description="Which direction is better.")
    tags: tuple[Name, ...] = Field(default=(), max_length=50, description="Free labels to find it by.")
    group: Name | None = Field(default=None, description="Family it is shown with.")

    @property
    def judged(self) -> bool:
        """Whether a model is asked."""
        return self.extraction_mode in JUDGED_MODES

    @property
    def effective_fold(self) -> Fold | Literal["list"]:
        """How the readings of one conversation become its one value, when `fold` does not say.

        As `repeated` says for written metrics; by type (avg, any, last) below the conversation; else the last reading.
        """
        if self.extraction_mode == "written":
            return self.repeated
        if self.fold is not None:
            return self.fold
        if self.scope == "conversation":
            return "last"
        by_type: dict[MetricType, Fold] = {"numerical": "avg", "boolean": "any", "categorical": "last"}
        return by_type[self.metric_type]

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest number that a single reading may be, both included.

        The range of the definition, that of its scale, and ±`PLAUSIBLE`; where several are given, the narrowest. A
        folded `sum` or `count` is made of readings within it and may itself lie outside.
        """
        lows = [self.valid_range_min, self.scale.min if self.scale else None, -PLAUSIBLE]
        highs = [self.valid_range_max, self.scale.max if self.scale else None, PLAUSIBLE]
        return max(low for low in lows if low is not None), min(high for high in highs if high is not None)

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

    definitions: tuple[MetricDefinition, ...] = Field(description="The metrics of one family.")


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
