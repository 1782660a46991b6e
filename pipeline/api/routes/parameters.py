"""Parameters and checks that several subjects share."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import Depends, HTTPException, Query
from fastapi import Path as InPath
from pydantic import StringConstraints

from pipeline.aggregate.queries import Traffic
from pipeline.api.errors import InvalidError
from pipeline.api.rows import stored_entity
from pipeline.api.service import Caller, Service
from pipeline.catalog.catalog import Metric
from pipeline.errors import UnknownMetricError
from pipeline.reports.readable import MEASURES, has_fixed_labels

MetricKey = Annotated[
    str, InPath(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$", description="Lowercase and underscores.")
]
Id = Annotated[str, StringConstraints(max_length=128)]
ShortId = Annotated[str, StringConstraints(max_length=64)]


class Filters:
    """The filters that all three readings of the contract share."""

    def __init__(
        self,
        source: Annotated[
            Traffic, Query(description="`all` gives a row for each class, never their mixture.")
        ] = "production",
        scope: Annotated[
            Literal["aggregate", "entity", "all"], Query(description="Period rows, values of conversations, or both.")
        ] = "aggregate",
        entity_type: Annotated[ShortId | None, Query(description="For example call.")] = None,
        entity_id: Annotated[Id | None, Query()] = None,
        service_id: Annotated[ShortId | None, Query(description="Default: all services together.")] = None,
        run_id: Annotated[ShortId | None, Query()] = None,
        session_id: Annotated[Id | None, Query(description="CallSid.")] = None,
    ) -> None:
        self.source: Traffic = source
        self.scope = scope
        self.entity_type = stored_entity(entity_type)
        self.entity_id = entity_id
        self.service_id = service_id
        self.run_id = run_id
        self.session_id = session_id

    @property
    def aggregates(self) -> bool:
        """Whether period rows are asked for: they belong to no entity, run or session."""
        ids = (self.entity_type, self.entity_id, self.run_id, self.session_id)
        return self.scope != "entity" and all(value is None for value in ids)

    @property
    def entities(self) -> bool:
        """Whether values of conversations are asked for."""
        return self.scope != "aggregate"


FiltersOf = Annotated[Filters, Depends()]


def visible_metric(service: Service, caller: Caller, key: str) -> Metric:
    """The definition in force.

    Raises:
        UnknownMetricError: there is none, or the caller may not see it; both read the same.
    """
    metric = service.control.catalog(caller.workspace_id).by_key.get(key)
    if metric is None or not caller.may_read(key):
        raise UnknownMetricError(f"No metric has the key {key!r}. GET …/metrics/catalog lists all that there are.")
    return metric


def hidden_measures(service: Service, caller: Caller) -> dict[str, None]:
    """Columns of conversations that are metrics, for callers who may read some metrics only."""
    if caller.metrics is None:
        return {}
    given = service.rights(caller).measures
    return {name: None for name in MEASURES if name not in given}


def check_labels(caller: Caller, metric: Metric) -> None:
    """Refuse labels that can quote what was said to who may not read it."""
    if not caller.transcripts and not has_fixed_labels(metric.definition):
        raise HTTPException(
            403, f"The labels of {metric.key} can quote what was said, and the key may not read transcripts."
        )


def check_range(date_from: date | None, date_to: date | None) -> None:
    """Refuse a range that ends before it starts."""
    if date_from is not None and date_to is not None and date_from > date_to:
        raise InvalidError([(("query", "date_from"), "later than date_to; exchange them")])
