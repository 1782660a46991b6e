"""The application: routers, errors, compression, and what runs beside the requests."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import cache, partial

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from pipeline import __version__
from pipeline.api import description
from pipeline.api.background import Background
from pipeline.api.errors import add_error_handlers
from pipeline.api.head import HeadMiddleware
from pipeline.api.request_id import RequestIdMiddleware
from pipeline.api.routes import (
    access,
    alarms,
    calls,
    checks,
    conversations,
    evaluate,
    exports,
    health,
    intake,
    ledger,
    metrics,
    query,
    status,
    thresholds,
    values,
)
from pipeline.api.routes import (
    settings as settings_routes,
)
from pipeline.api.service import Service
from pipeline.errors import MetricStoreError, StoreUnavailableError
from pipeline.settings import Settings
from pipeline.store.control import control_transaction, publish_control
from pipeline.workspace import audit
from pipeline.workspace.alarms import watch
from pipeline.workspace.intake import adopt_intake
from pipeline.workspace.keys import note_use
from pipeline.workspace.webhooks import deliver, read_webhooks

_LOG = logging.getLogger("metric_store.api")
_BACKGROUND_SECONDS = 15.0

EXPOSED = ["ETag", "Link", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After", "X-Request-Id"]
"""Headers that a page of another origin may read."""


def create_app(settings: Settings, *, single_user: bool = False) -> FastAPI:
    """The HTTP API of one deployment.

    Args:
        settings: where the store is and how much a client may ask.
        single_user: whoever reaches the server is the owner; only for a server bound to loopback.
    """
    app = FastAPIOffline(  # its documentation page loads nothing from elsewhere
        title="metric-store",
        version=__version__,
        description=description.TEXT,
        openapi_tags=description.TAGS,
        lifespan=_lifespan,
        redoc_url=None,
        max_body_size=settings.serve.max_body_bytes,
    )
    build = app.build_middleware_stack
    # Outside of all: what the framework refuses before anything of ours has a request id, too.
    app.build_middleware_stack = lambda: RequestIdMiddleware(build())  # type: ignore[method-assign]
    app.state.service = Service(settings, single_user=single_user)
    app.add_middleware(HeadMiddleware)
    if settings.serve.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.serve.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
        )
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    add_error_handlers(app)
    for module in (
        health,
        settings_routes,
        metrics,
        values,
        conversations,
        calls,
        checks,
        exports,
        evaluate,
        ledger,
        status,
        query,
        intake,
        alarms,
        thresholds,
        access,
    ):
        app.include_router(module.router)
    describe = app.openapi
    app.openapi = cache(lambda: description.complete(describe()))  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    await run_in_threadpool(publish_control, service.store)
    await run_in_threadpool(_adopt, service)
    works = {
        "storing when keys were used": _store_uses,
        "removing copies that queries no longer need": _sweep,
        "checking alarms": _watch,
        "sending webhooks": _deliver,
    }
    service.background = Background({name: partial(do, service) for name, do in works.items()}, _BACKGROUND_SECONDS)
    service.background.start()
    try:
        yield
    finally:
        await service.background.stop()
        await service.sql.close()
        await run_in_threadpool(_store_uses, service)
        await run_in_threadpool(service.close)


def _adopt(service: Service) -> None:
    """Events that the server acknowledged before it was killed need not wait for the next run."""
    try:
        adopt_intake(service.settings)
    except OSError as error:
        _LOG.warning("Events that were accepted earlier wait for the next run: %s", error.strerror)


def _store_uses(service: Service) -> None:
    """What was used and sent since the last time; events themselves are on disk already."""
    now = datetime.now(UTC)
    try:
        used, taken = service.take_uses(), service.take_counts()
        if not used and not taken:
            return
        with control_transaction(service.store) as con:
            note_use(con, used)
            for actor, (requests, events) in taken.items():
                detail = {"requests": requests, "events": events}
                audit.record(con, service.settings.workspace_id, actor, "events.accept", None, now, detail)
    except MetricStoreError as error:
        _LOG.warning("When keys were last used was not stored: %s", error)


def _sweep(service: Service) -> None:
    """What is gone from the newest publication must not stay in what queries read from."""
    with suppress(StoreUnavailableError):  # nothing has been published yet
        service.copies.sweep()


def _watch(service: Service) -> None:
    """Alarms of freshness: who would notice that no run comes, if only runs looked?"""
    workspace_id = service.settings.workspace_id
    try:
        catalog = service.control.catalog(workspace_id)
        with service.control.reader.cursor() as (control, _), service.data.cursor() as (data, _):
            if read_webhooks(control, workspace_id):
                watch(service.store, catalog, data, control, workspace_id, datetime.now(UTC))
    except MetricStoreError as error:
        _LOG.warning("Alarms were not checked: %s", error)


def _deliver(service: Service) -> None:
    try:
        deliver(service.settings, service.store, service.control.reader, now=datetime.now(UTC))
    except MetricStoreError as error:
        _LOG.warning("Webhooks were not sent: %s", error)
