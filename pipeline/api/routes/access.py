"""What keys may read, which keys there are, and who did what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import Path as InPath
from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pipeline.api.auth import Admin, Editor, Owner, ServiceOf
from pipeline.api.errors import READ_ERRORS, WRITE_ERRORS
from pipeline.api.routing import workspace_router
from pipeline.workspace.audit import read_log
from pipeline.workspace.keys import Access, ApiKey, Role, change_access, create_key, revoke_key

router = workspace_router("access")

MetricKeys = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]], Field(max_length=1000)
]


class AccessRules(BaseModel):
    """What any key of the workspace may read at most."""

    model_config = ConfigDict(extra="forbid")

    metrics: MetricKeys | None = Field(default=None, description="Only these metrics; null is all.")
    transcripts: bool = Field(
        default=True, strict=True, description="Whether anybody may read what was said, and quotes of it."
    )


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=128, description="Who uses it for what.")
    role: Role
    metrics: MetricKeys | None = Field(default=None, description="Only these metrics; null is all.")
    transcripts: bool = Field(default=True, strict=True)
    requests_per_minute: Annotated[int, Field(strict=True)] | None = Field(default=None, ge=1, le=1_000_000)
    expires_at: AwareDatetime | None = None


class Key(BaseModel):
    """A key, without its secret."""

    key_id: str
    name: str
    role: Role
    metrics: list[str] | None
    transcripts: bool
    requests_per_minute: int | None
    created_at: AwareDatetime
    created_by: str
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    last_used_at: AwareDatetime | None = Field(description="To the hour.")


class KeysResponse(BaseModel):
    """All keys, revoked and expired ones included."""

    keys: list[Key]


class CreatedKey(BaseModel):
    """A new key; it cannot be shown again."""

    key_id: str
    key: str


class AuditEntry(BaseModel):
    """One write."""

    happened_at: AwareDatetime
    actor: str
    action: str
    subject: str | None
    detail: dict[str, Any]


class AuditResponse(BaseModel):
    """Writes, newest first."""

    entries: list[AuditEntry]


@router.get("/settings/access", operation_id="get-access", responses=WRITE_ERRORS)
def get_access(caller: Admin, service: ServiceOf) -> AccessRules:
    """What any key of the workspace may read at most."""
    access = service.control.current().access.get(caller.workspace_id, Access())
    return AccessRules(metrics=access.metrics and sorted(access.metrics), transcripts=access.transcripts)


@router.put("/settings/access", operation_id="update-access", responses=WRITE_ERRORS)
def put_access(caller: Owner, service: ServiceOf, body: AccessRules) -> AccessRules:
    """Replace what any key of the workspace may read at most; in force for the next request. Role owner."""
    access = Access(None if body.metrics is None else frozenset(body.metrics), body.transcripts)
    change_access(service.store, caller.workspace_id, access, actor=caller.actor, now=datetime.now(UTC))
    return body


@router.get("/keys", operation_id="list-keys", responses=WRITE_ERRORS)
def list_keys(caller: Owner, service: ServiceOf) -> KeysResponse:
    """All keys of the workspace. Role owner."""
    keys = service.control.current().keys.values()
    return KeysResponse(keys=[_shown(key) for key in keys if key.workspace_id == caller.workspace_id])


@router.post("/keys", operation_id="create-key", status_code=201, responses=WRITE_ERRORS)
def post_key(caller: Owner, service: ServiceOf, body: NewKey) -> CreatedKey:
    """Make a key; the answer is the only place where it stands. Role owner.

    It may read no more than the key that asks for it.
    """
    asked = None if body.metrics is None else frozenset(body.metrics)
    metrics = caller.metrics if asked is None else asked if caller.metrics is None else asked & caller.metrics
    key_id, key = create_key(
        service.store,
        body.name,
        body.role,
        actor=caller.actor,
        now=datetime.now(UTC),
        workspace_id=caller.workspace_id,
        metrics=metrics,
        transcripts=body.transcripts and caller.transcripts,
        requests_per_minute=body.requests_per_minute,
        expires_at=body.expires_at,
    )
    return CreatedKey(key_id=key_id, key=key)


@router.delete("/keys/{key_id}", operation_id="revoke-key", status_code=204, responses=WRITE_ERRORS)
def delete_key(
    key_id: Annotated[str, InPath(min_length=1, max_length=64)],
    caller: Owner,
    service: ServiceOf,
) -> None:
    """Revoke a key; the next request with it is refused. Role owner."""
    revoke_key(service.store, key_id, actor=caller.actor, now=datetime.now(UTC), workspace_id=caller.workspace_id)


@router.get("/audit", operation_id="get-audit-log", responses=READ_ERRORS | {403: WRITE_ERRORS[403]})
def get_audit(
    caller: Editor,
    service: ServiceOf,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AuditResponse:
    """Every write, newest first: who, when, what. Events that were sent are summed up every few seconds."""
    with service.control.reader.cursor() as (con, _):
        rows = read_log(con, caller.workspace_id, limit)
    return AuditResponse.model_validate({"entries": [{**row, "detail": orjson.loads(row["detail"])} for row in rows]})


def _shown(key: ApiKey) -> Key:
    return Key.model_validate({**vars(key), "metrics": None if key.metrics is None else sorted(key.metrics)})
