"""Definitions, the catalog and settings revisions."""

from __future__ import annotations

from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool
from pydantic.config import JsonDict

from pipeline.catalog.catalog import Metric
from pipeline.catalog.models import MetricDefinition

EXAMPLE: JsonDict = {
    "key": "empathy_score",
    "name": "Agent Empathy",
    "metric_type": "numerical",
    "source": "call_intelligence",
    "event_types": ["call_intelligence.row"],
    "extraction_mode": "ai_query",
    "model_tier": "balanced",
    "ai_query_prompt": "Rate how empathetic the agent was on a scale of 1-10. Output ONLY a single integer.",
    "aggregation": "avg",
    "unit": "score",
    "valid_range_min": 1.0,
    "valid_range_max": 10.0,
}
"""A definition as it is sent."""


class DefinitionResponse(MetricDefinition):
    """A definition in force."""

    id: str = Field(description="UUID made from workspace and key.")
    managed_by: Literal["builtin", "library", "file", "api"] = Field(
        description="Where it is changed: nowhere but `active` and the SLA; in the file; here."
    )
    version: str = Field(description="Changes when a field changes that can change a value.")
    file: str | None = Field(description="On the machine of the store; null for keys that are not an admin's.")

    @classmethod
    def of(cls, metric: Metric, workspace_id: str, *, with_file: bool = True) -> DefinitionResponse:
        """A definition of the catalog."""
        ours: dict[str, Any] = {
            "id": str(uuid5(NAMESPACE_URL, f"{workspace_id}/{metric.key}")),
            "builtin": metric.shipped,
            "managed_by": metric.managed_by,
            "version": metric.version,
            "file": metric.file if with_file else None,
        }
        return cls.model_validate({**metric.definition.model_dump(), **ours})


class MetricSettingsResponse(BaseModel):
    """Every definition, built-in and custom, and the revision to send back as `If-Match`."""

    definitions: list[DefinitionResponse]
    revision: int
    problems: int = Field(description="Errors that keep definitions out; GET …/status names them to admins.")
    timezone: str = Field(description="IANA zone in which the workspace's days start.")


class MetricSettingsRequest(BaseModel):
    """Custom definitions; the list replaces the one in force. Absent or null changes nothing.

    A built-in may be sent with `active` or `freshness_sla_minutes` changed. What came from a definition file may be
    sent back as it is and not otherwise.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"definitions": [EXAMPLE]}]})

    definitions: list[dict[str, Any]] | None = Field(
        default=None,
        max_length=1000,
        description="`MetricDefinition` objects, as in the answer; each is validated, and every problem reported.",
    )


class MetricSettingsChange(BaseModel):
    """Several changes made at once or not at all."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"definitions": [EXAMPLE], "active": {"voice_quality_score": False}}]},
    )

    definitions: list[dict[str, Any]] = Field(
        default=[], max_length=1000, description="Added, or put in the place of those with the same key."
    )
    active: dict[str, StrictBool] = Field(default={}, max_length=1000, description="Switched on or off, by key.")
    delete: list[str] = Field(default=[], max_length=1000, description="Custom keys to remove; their values are kept.")


class SettingsDiff(BaseModel):
    """What a change does."""

    added: list[str] = []
    removed: list[str] = []
    changed: dict[str, dict[str, Any]] = Field(default={}, description="By key and field: `from` and `to`.")


class MetricSettingsChanged(MetricSettingsResponse):
    """The definitions after the change (or as they would be, on a dry run)."""

    diff: SettingsDiff
    dry_run: bool


class SettingsRevision(BaseModel):
    """One change of the custom definitions."""

    revision: int
    changed_at: AwareDatetime
    changed_by: str
    action: str
    diff: SettingsDiff


class SettingsHistory(BaseModel):
    """Changes, newest first."""

    revisions: list[SettingsRevision]


class SettingsRevisionDetail(SettingsRevision):
    """One change, with all custom definitions as they were after it."""

    definitions: list[dict[str, Any]]
    overrides: dict[str, dict[str, Any]]


class MetricCatalogEntry(BaseModel):
    """One metric as it is configured."""

    key: str
    name: str
    description: str | None
    metric_type: str
    source: str
    custom_source_key: str | None
    extraction_mode: str
    granularity: str
    period_granularity: str
    latency_tier: str
    model_tier: str
    unit: str | None
    has_prompt: bool
    builtin: bool
    aggregation: str
    active: bool
    goal: str
    group: str | None
    tags: list[str]
    managed_by: Literal["builtin", "library", "file", "api"]
    version: str
    reads: list[str] = Field(description="Keys of the metrics that it is computed from.")


class MetricCatalogResponse(BaseModel):
    """Every metric."""

    metrics: list[MetricCatalogEntry]
