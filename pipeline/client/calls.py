"""Every call as data: what to send and how to read the answer; the clients only send."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, NamedTuple, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx2
import orjson

from pipeline.api.models.definitions import (
    DefinitionResponse,
    MetricCatalogEntry,
    MetricCatalogResponse,
    MetricSettingsChanged,
    MetricSettingsResponse,
)
from pipeline.api.models.values import (
    BreakdownResponse,
    MetricEvaluateResponse,
    MetricListResponse,
    MetricValue,
    SingleValue,
    SingleValuesResponse,
)
from pipeline.client.rows import Rows

Answer = TypeVar("Answer")
_EXPORT_SECONDS = 3600.0
"""The server sorts all rows of an export before the first byte leaves."""
Source = Literal["production", "simulation", "all"]
Scope = Literal["aggregate", "entity", "all"]


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One request below the workspace."""

    method: str
    path: str
    read: Callable[[httpx2.Response], Answer]
    params: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    patience: float | None = None
    """Seconds to wait for the answer to begin or go on; None is the client's own."""


class Exported(NamedTuple):
    """A file that was written.

    Attributes:
        rows: in the file.
        undated: rows that a range leaves out because nobody knows when they were.
    """

    rows: int
    undated: int


def settings() -> Call[Rows[DefinitionResponse]]:
    """Every definition, built-in and custom."""
    return Call(
        "GET",
        "/settings/metrics",
        lambda got: Rows(MetricSettingsResponse.model_validate_json(got.content).definitions),
    )


def definitions() -> Call[dict[str, Any]]:
    """Every definition as JSON, how many problems keep others out, and the zone of the workspace's days."""
    return Call("GET", "/settings/metrics", _document)


def define(
    definitions: Sequence[Mapping[str, Any]], *, dry_run: bool = False, revision: int | None = None
) -> Call[MetricSettingsChanged]:
    """Replace the custom definitions as a whole.

    Args:
        definitions: all of them.
        dry_run: only say what would change.
        revision: refuse (412) unless this revision is in force.
    """
    return Call(
        "PUT",
        "/settings/metrics",
        lambda got: MetricSettingsChanged.model_validate_json(got.content),
        {"dry_run": dry_run},
        orjson.dumps({"definitions": list(definitions)}),
        {} if revision is None else {"If-Match": f'"{revision}"'},
    )


def catalog() -> Call[Rows[MetricCatalogEntry]]:
    """Every metric with its configuration."""
    return Call(
        "GET", "/metrics/catalog", lambda got: Rows(MetricCatalogResponse.model_validate_json(got.content).metrics)
    )


def latest(
    *,
    source: Source = "production",
    scope: Scope = "aggregate",
    entity_type: str | None = None,
    entity_id: str | None = None,
    service_id: str | None = None,
    run_id: str | None = None,
    session_id: str | None = None,
    as_known_at: datetime | None = None,
    limit: int = 100,
    offset: int = 0,
) -> Call[Rows[MetricValue]]:
    """The most recent value of each metric."""
    return Call("GET", "/metrics", _values, _given(locals()))


def history(
    key: str,
    *,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
    granularity: Literal["hour", "day"] | None = None,
    as_known_at: datetime | None = None,
    source: Source = "production",
    scope: Scope = "aggregate",
    service_id: str | None = None,
    limit: int = 90,
) -> Call[Rows[MetricValue]]:
    """Period rows of one metric, newest first."""
    return Call("GET", f"/metrics/{key}", _values, _given(locals()))


def trend(
    key: str,
    *,
    days: int = 30,
    granularity: Literal["hour", "day", "week", "month"] = "day",
    timezone: str | None = None,
    group_by: Literal["service", "category"] | None = None,
    as_known_at: datetime | None = None,
    source: Source = "production",
    service_id: str | None = None,
) -> Call[Rows[MetricValue]]:
    """One metric over time, oldest first, without gaps."""
    return Call("GET", f"/metrics/{key}/trend", _values, _given(locals()))


def values(
    key: str,
    *,
    status: str = "ok",
    source: Source = "production",
    service_id: str | None = None,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
    limit: int = 100,
    offset: int = 0,
) -> Call[Rows[SingleValue]]:
    """The outcome of one metric for each conversation, with reasoning and evidence."""
    return Call(
        "GET",
        f"/metrics/{key}/values",
        lambda got: Rows(SingleValuesResponse.model_validate_json(got.content).values),
        _given(locals()),
    )


def breakdown(
    key: str,
    *,
    by: Literal["service", "channel", "direction", "category", "none"] = "service",
    source: Source = "production",
    date_from: datetime | None = None,
    date_to: datetime | None = None,
) -> Call[BreakdownResponse]:
    """One metric by group, with percentiles."""
    return Call(
        "GET",
        f"/metrics/{key}/breakdown",
        lambda got: BreakdownResponse.model_validate_json(got.content),
        _given(locals()),
    )


def evaluate(key: str, subject_id: str, *, as_of: datetime | None = None) -> Call[MetricEvaluateResponse]:
    """Try a metric on one conversation; nothing is stored."""
    body = {"subject_id": subject_id} | ({} if as_of is None else {"as_of": as_of})
    return Call(
        "POST",
        f"/metrics/{key}/evaluate",
        lambda got: MetricEvaluateResponse.model_validate_json(got.content),
        content=orjson.dumps(body),
    )


def conversations(
    outcome: Mapping[str, Any] | None = None,
    *,
    sample: Literal["newest", "random"] = "newest",
    seed: str | None = None,
    source: Source = "production",
    service_id: str | None = None,
    channel: str | None = None,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
    limit: int = 100,
    offset: int = 0,
) -> Call[list[dict[str, Any]]]:
    """Conversations whose metrics say `outcome`, for example `{"metric": "csat", "op": "lt", "value": 3}`."""
    params = _given({name: value for name, value in locals().items() if name != "outcome"})
    if outcome is not None:
        params["filter"] = orjson.dumps(outcome).decode()
    return Call("GET", "/conversations", lambda got: list(orjson.loads(got.content)["conversations"]), params)


def conversation(conversation_id: str) -> Call[dict[str, Any]]:
    """One conversation with turns, the `metrics` map and every value."""
    return Call("GET", f"/conversations/{quote(conversation_id, safe='')}", _document)


def runs(*, limit: int = 50) -> Call[list[dict[str, Any]]]:
    """Runs of the pipeline, newest first."""
    return Call("GET", "/runs", lambda got: list(orjson.loads(got.content)["runs"]), {"limit": limit})


def coverage(*, date_from: datetime | None = None, date_to: datetime | None = None) -> Call[list[dict[str, Any]]]:
    """Hours of each definition that are done, failing or missing."""
    return Call("GET", "/coverage", lambda got: list(orjson.loads(got.content)["metrics"]), _given(locals()))


def checks(
    names: Sequence[str] = (),
    *,
    run_id: str | None = None,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
    last_hours: int | None = None,
) -> Call[dict[str, Any]]:
    """Evaluate checks or sets of them, default all of one's own: `{"passed": …, "checks": [{"verdict": …}, …]}`."""
    params = _given({name: value for name, value in locals().items() if name != "names"})
    return Call("GET", "/checks", _document, {**params, "name": list(names)} if names else params)


def status(*, date_from: datetime | None = None, date_to: datetime | None = None) -> Call[dict[str, Any]]:
    """What is done, missing and failing, and what was refused: the fields of `pipeline.status.Status`."""
    return Call("GET", "/status", _document, _given(locals()))


def export(
    kind: Literal["conversations", "periods", "values"],
    *,
    file_format: Literal["parquet", "csv", "ndjson"] = "ndjson",
    metric_key: Sequence[str] | None = None,
    source: Source = "production",
    service_id: str | None = None,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
) -> Call[Exported]:
    """All rows at once, as a file; `download` writes it."""
    given = {name: value for name, value in locals().items() if name not in ("kind", "file_format")}
    params = _given(given) | {"format": file_format}
    return Call("GET", f"/exports/{kind}", _exported, params, patience=_EXPORT_SECONDS)


def query(sql: str, *, limit: int = 1000) -> Call[list[dict[str, Any]]]:
    """One SELECT over the workspace's own rows; a dictionary for each row."""
    return Call("POST", "/query", _table, content=orjson.dumps({"sql": sql, "limit": limit}))


def events(batch: Sequence[Mapping[str, Any]]) -> Call[dict[str, Any]]:
    """Send canonical events or CloudEvents."""
    lines = b"".join(orjson.dumps(event) + b"\n" for event in batch)
    return Call("POST", "/events", _document, content=lines, headers={"Content-Type": "application/x-ndjson"})


def written(
    conversation_id: str, name: str, value: float | str | bool | None, write_once: bool, now: datetime
) -> dict[str, Any]:
    """The event of a metric that an agent writes; its id makes sending it twice harmless."""
    return {
        "event_id": f"written-{uuid4()}",
        "event_type": "metric.written",
        "occurred_at": now.isoformat(),
        "conversation_id": conversation_id,
        "data": {"name": name, "value": value, "write_once": write_once},
    }


def _values(got: httpx2.Response) -> Rows[MetricValue]:
    return Rows(MetricListResponse.model_validate_json(got.content).metrics)


def _exported(got: httpx2.Response) -> Exported:
    return Exported(int(got.headers["x-row-count"]), int(got.headers["x-undated-count"]))


def _document(got: httpx2.Response) -> dict[str, Any]:
    return dict(orjson.loads(got.content))


def _table(got: httpx2.Response) -> list[dict[str, Any]]:
    answer = orjson.loads(got.content)
    names = [column["name"] for column in answer["columns"]]
    return [dict(zip(names, row, strict=True)) for row in answer["rows"]]


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Query parameters: those that were given, instants as text."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in arguments.items()
        if value is not None and name != "key"
    }
