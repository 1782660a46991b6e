"""How the application is run."""

from __future__ import annotations

import ipaddress
from typing import Any

import uvicorn
from fastapi import FastAPI

from pipeline.api.protocol import bounded_protocol


def server_config(app: FastAPI, **options: Any) -> uvicorn.Config:
    """Settings of uvicorn that the API relies on.

    Idle connections are kept longer than clients keep them (5 s is common): whoever closes first must be the client,
    or a request that is just being sent fails.
    """
    serve = app.state.service.settings.serve
    return uvicorn.Config(
        app,
        http=bounded_protocol(serve.header_bytes, serve.header_seconds),
        limit_concurrency=serve.connections,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=30,
        server_header=False,
        access_log=False,
        log_level="warning",
        **options,
    )


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
