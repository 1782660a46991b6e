"""Whether the server lives; the only answer that needs no key."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from pipeline import __version__
from pipeline.api.auth import ServiceOf
from pipeline.errors import StoreUnavailableError

router = APIRouter(tags=["health"])


class BackgroundWork(BaseModel):
    """What the server does beside requests."""

    name: str = Field(examples=["sending webhooks"])
    done_at: AwareDatetime | None = Field(description="When it last ended well; null: not yet.")
    failing_since: AwareDatetime | None = Field(description="Null: it does not fail.")
    alive: bool = Field(description="False: it will not be done again until the server is restarted.")


class Health(BaseModel):
    """State of the server."""

    status: Literal["ok", "degraded"] = Field(description="`degraded`: something of `background` fails.")
    version: str
    published_at: AwareDatetime | None = Field(description="When the snapshot that answers was published; null: never.")
    background: list[BackgroundWork]


@router.get("/health", operation_id="get-health")
def get_health(service: ServiceOf) -> Health:
    """Whether the server lives, how old its numbers are, and whether what it does beside requests works."""
    try:
        published_at = service.data.generation().published_at
    except StoreUnavailableError:
        published_at = None
    works = {} if service.background is None else service.background.works
    shown = [
        BackgroundWork(name=name, done_at=work.done_at, failing_since=work.failing_since, alive=work.alive)
        for name, work in works.items()
    ]
    fails = any(work.failing_since is not None or not work.alive for work in works.values())
    status: Literal["ok", "degraded"] = "degraded" if fails else "ok"
    return Health(status=status, version=__version__, published_at=published_at, background=shown)
