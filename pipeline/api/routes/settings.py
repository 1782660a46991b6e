"""Definitions: read, replace, change in part, history, restore."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Header, Query, Request, Response
from fastapi import Path as InPath

from pipeline.api.auth import Editor, ServiceOf, Viewer
from pipeline.api.errors import CHANGE_ERRORS, READ_ERRORS, WRITE_ERRORS, InvalidError
from pipeline.api.models.definitions import (
    DefinitionResponse,
    MetricCatalogEntry,
    MetricCatalogResponse,
    MetricSettingsChange,
    MetricSettingsChanged,
    MetricSettingsRequest,
    MetricSettingsResponse,
    SettingsDiff,
    SettingsHistory,
    SettingsRevision,
    SettingsRevisionDetail,
)
from pipeline.api.routing import workspace_router
from pipeline.api.service import Caller, Service, mark_fresh
from pipeline.catalog.catalog import Catalog, Metric
from pipeline.errors import NotFoundError
from pipeline.workspace.catalogs import load_workspace_catalog
from pipeline.workspace.settings import Change, Revision, change_settings, read_revisions, restore

router = workspace_router("settings")

IfMatch = Annotated[
    str | None,
    Header(max_length=128, description="The ETag of the settings that were read; 412 when others are in force."),
]
DryRun = Annotated[bool, Query(description="Validate and compare, change nothing.")]
RevisionNumber = Annotated[int, InPath(ge=1, lt=2**31)]


@router.get("/settings/metrics", operation_id="get-metric-settings", responses=READ_ERRORS)
def get_settings(caller: Viewer, service: ServiceOf, request: Request, response: Response) -> MetricSettingsResponse:
    """Every definition of the workspace: built-in, from files, and sent over HTTP.

    Send the ETag back as `If-Match` of a change, and it is refused with 412 when somebody else was quicker.
    """
    revision = service.control.revision(caller.workspace_id).revision
    _mark(service, request, response, caller, revision)
    return _answer(service, service.control.catalog(caller.workspace_id), caller, revision)


@router.put("/settings/metrics", operation_id="update-metric-settings", responses=CHANGE_ERRORS)
def put_settings(
    caller: Editor,
    service: ServiceOf,
    body: MetricSettingsRequest,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> MetricSettingsChanged:
    """Replace the custom definitions as a whole, or nothing when anything is wrong; all problems are reported at once.

    Role admin or owner. Built-ins stay as they are unless one is sent with `active` or `freshness_sla_minutes` changed.
    `sql_expr`, `python` and secrets are refused. The next hourly run uses what was saved.
    """
    change = Change("settings.replace", definitions=body.definitions)
    return _change(service, caller, change, if_match, dry_run)


@router.patch("/settings/metrics", operation_id="change-metric-settings", responses=CHANGE_ERRORS)
def patch_settings(
    caller: Editor,
    service: ServiceOf,
    body: MetricSettingsChange,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> MetricSettingsChanged:
    """Add, replace, switch and delete several definitions in one change."""
    change = Change("settings.change", put=body.definitions, active=body.active, delete=body.delete)
    return _change(service, caller, change, if_match, dry_run)


@router.get("/settings/metrics/history", operation_id="get-metric-settings-history", responses=WRITE_ERRORS)
def get_history(
    caller: Editor,
    service: ServiceOf,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> SettingsHistory:
    """Who changed what when, newest first."""
    revisions = _revisions(service, caller)[:limit]
    return SettingsHistory(revisions=[SettingsRevision.model_validate(vars(revision)) for revision in revisions])


@router.get("/settings/metrics/history/{revision}", operation_id="get-metric-settings-revision", responses=WRITE_ERRORS)
def get_revision(caller: Editor, service: ServiceOf, revision: RevisionNumber) -> SettingsRevisionDetail:
    """One change and all custom definitions as they were after it."""
    return SettingsRevisionDetail.model_validate(vars(_revision(service, caller, revision)))


@router.post(
    "/settings/metrics/history/{revision}/restore", operation_id="restore-metric-settings", responses=CHANGE_ERRORS
)
def restore_revision(
    caller: Editor,
    service: ServiceOf,
    revision: RevisionNumber,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> MetricSettingsChanged:
    """Bring the definitions of a revision back; this makes a new revision."""
    return _change(service, caller, restore(_revision(service, caller, revision)), if_match, dry_run)


@router.get("/metrics/catalog", operation_id="get-metric-catalog", responses=READ_ERRORS, tags=["metrics"])
def get_catalog(caller: Viewer, service: ServiceOf, request: Request, response: Response) -> MetricCatalogResponse:
    """Every metric with its configuration."""
    _mark(service, request, response, caller, service.control.revision(caller.workspace_id).revision)
    metrics = _visible(service.control.catalog(caller.workspace_id), caller)
    return MetricCatalogResponse(metrics=[_entry(metric) for metric in metrics])


def _mark(service: Service, request: Request, response: Response, caller: Caller, revision: int) -> None:
    generation = service.control.current().generation
    parts = (generation.token, service.control.files())
    changed_at = max(generation.published_at, service.control.files_changed_at)
    mark_fresh(request, response, caller, parts, changed_at, f"{revision}-")


def _change(
    service: Service, caller: Caller, change: Change, if_match: str | None, dry_run: bool
) -> MetricSettingsChanged:
    saved = change_settings(
        service.settings,
        service.store,
        caller.workspace_id,
        change,
        service.control.revision(caller.workspace_id),
        actor=caller.actor,
        now=datetime.now(UTC),
        expected=_expected(if_match),
        dry_run=dry_run,
        transcripts=caller.transcripts,
    )
    catalog = load_workspace_catalog(service.settings, caller.workspace_id, saved.definitions, saved.overrides)
    answer = _answer(service, catalog, caller, saved.revision)
    return MetricSettingsChanged(**dict(answer), diff=SettingsDiff.model_validate(saved.diff), dry_run=dry_run)


def _expected(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"').partition("-")[0]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidError([(("header", "If-Match"), "not an ETag of these settings; send the one that GET answers")])
    return int(text)


def _revisions(service: Service, caller: Caller) -> list[Revision]:
    with service.control.reader.cursor() as (con, _):
        return read_revisions(con, caller.workspace_id)


def _revision(service: Service, caller: Caller, number: int) -> Revision:
    found = next((revision for revision in _revisions(service, caller) if revision.revision == number), None)
    if found is None:
        raise NotFoundError(f"The settings have no revision {number}; the history lists those that there are.")
    return found


def _visible(catalog: Catalog, caller: Caller) -> list[Metric]:
    return [metric for metric in catalog.metrics if caller.may_read(metric.key)]


def _answer(service: Service, catalog: Catalog, caller: Caller, revision: int) -> MetricSettingsResponse:
    definitions = [
        DefinitionResponse.of(metric, caller.workspace_id, with_file=caller.administers)
        for metric in _visible(catalog, caller)
    ]
    problems = len(catalog.errors) if caller.metrics is None else 0
    return MetricSettingsResponse(
        definitions=definitions, revision=revision, problems=problems, timezone=service.settings.timezone
    )


def _entry(metric: Metric) -> MetricCatalogEntry:
    definition = metric.definition
    fields = definition.model_dump(include=set(MetricCatalogEntry.model_fields) - {"builtin"})
    return MetricCatalogEntry(
        **fields,
        has_prompt=definition.ai_query_prompt is not None or definition.prompt is not None,
        builtin=metric.shipped,
        managed_by=metric.managed_by,
        version=metric.version,
        reads=list(metric.reads),
    )
