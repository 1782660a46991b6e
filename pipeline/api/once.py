"""`Idempotency-Key`: a POST that is sent again is answered again, and not done again."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from pipeline.api.auth import Credentials, Viewer, service_of
from pipeline.api.errors import InvalidError, RepeatedError
from pipeline.errors import MetricStoreError
from pipeline.workspace import idempotency

_LOG = logging.getLogger("metric_store.api")

HEADER = "Idempotency-Key"
CREATE_NOTHING = frozenset({"evaluate-metric", "run-query"})
"""POSTs that may be sent as often as one likes; the header is ignored."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


async def begin(caller: Viewer, credentials: Credentials, request: Request) -> None:
    """Answer as before if the request was done; else note that it is being done."""
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST" or request.scope["route"].operation_id in CREATE_NOTHING:
        return
    if not _KEY.fullmatch(key):
        raise InvalidError([(("header", HEADER), "not 1 to 255 visible ASCII characters; a UUID is a good choice")])
    target = f"{request.method} {request.url.path}?{request.url.query}\n"
    secret = "" if credentials is None else credentials.credentials
    once = idempotency.Once(caller.workspace_id, caller.actor, secret, key, target.encode() + await request.body())
    store = service_of(request).store
    answer = await run_in_threadpool(idempotency.begin, store, once, datetime.now(UTC))
    if answer is not None:
        raise RepeatedError(answer)
    request.state.once = once


async def keep(request: Request, response: Response) -> None:
    """Keep the answer to a request that was noted."""
    if (once := getattr(request.state, "once", None)) is not None:
        answer = idempotency.Answer(response.status_code, bytes(response.body))
        try:
            await run_in_threadpool(idempotency.keep, service_of(request).store, once, answer)
        except MetricStoreError as error:  # it was done; sent again, it is refused
            _LOG.warning("An answer to a request with Idempotency-Key was not kept: %s", error)


async def release(request: Request) -> None:
    """Forget a noted request that was refused, so that it can be sent again."""
    if (once := getattr(request.state, "once", None)) is not None:
        await run_in_threadpool(idempotency.release, service_of(request).store, once)
