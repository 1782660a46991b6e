"""Whether the server lives; the only answer that needs no key."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from pipeline import __version__
from pipeline.api.auth import ServiceOf
from pipeline.errors import StoreUnavailableError

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """State of the server."""

    status: Literal["ok"] = "ok"
    version: str
    published_at: AwareDatetime | None = Field(description="When the snapshot that answers was published; null: never.")


@router.get("/health", operation_id="get-health")
def get_health(service: ServiceOf) -> Health:
    """Whether the server lives and how old its numbers are."""
    try:
        published_at = service.data.generation().published_at
    except StoreUnavailableError:
        published_at = None
    return Health(version=__version__, published_at=published_at)
