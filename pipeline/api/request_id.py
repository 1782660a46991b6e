"""An id for each request: the same in its answer, in a problem and in the log."""

from __future__ import annotations

import logging
import re
import time

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.problems import CODES, HEADER, MEDIA_TYPE, fresh_request_id, problem

_LOG = logging.getLogger("metric_store.api.requests")
_SENTENCES = {413: "The body is larger than the server takes (serve.max_body_bytes); send it in parts."}
_TOKEN = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class RequestIdMiddleware:
    """Takes the request's `X-Request-Id` if it is a plain token, else makes one; answers with it.

    Each request is a line of the log: at level INFO, from status 500 on at WARNING. Query strings and headers are not
    part of it.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get(HEADER, "")
        request_id = sent if _TOKEN.fullmatch(sent) else fresh_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        began, plain = time.monotonic(), False

        async def marked(message: Message) -> None:
            nonlocal plain
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                self._log(scope, message["status"], 1000 * (time.monotonic() - began), request_id)
                plain = message["status"] in CODES and headers.get("content-type", "").startswith("text/plain")
                if plain:  # the framework's own refusal, for example of a body that is too large
                    status = message["status"]
                    body = orjson.dumps(problem(status, CODES[status], _SENTENCES.get(status, "Refused."), request_id))
                    headers["content-type"], headers["content-length"] = MEDIA_TYPE, str(len(body))
                    await send(message)
                    await send({"type": "http.response.body", "body": body})
                    return
            if not plain:
                await send(message)

        await self._app(scope, receive, marked)

    def _log(self, scope: Scope, status: int, spent: float, request_id: str) -> None:
        level = logging.WARNING if status >= 500 else logging.INFO
        _LOG.log(level, "%s %s %d %.0f ms (%s)", scope["method"], scope["path"], status, spent, request_id)
