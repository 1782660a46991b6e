"""Events that arrive over the network: validated one by one, then durable in the landing folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline.ingest.check import EventChecker
from pipeline.settings import Settings
from pipeline.workspace.segments import SegmentWriter, adopt_segments

_FUTURE = timedelta(hours=24)

Identifier = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
LongIdentifier = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
_ISO = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})$"


def _iso(value: object) -> object:
    if not isinstance(value, str) or re.match(_ISO, value) is None:
        raise ValueError("not ISO 8601 with seconds and an offset; write for example 2026-04-28T21:11:42Z")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_iso), Field(description="ISO 8601 with seconds and an offset.")]


class CanonicalEvent(BaseModel):
    """One event in the store's own format; `event_id` makes sending it twice harmless."""

    model_config = ConfigDict(extra="forbid")

    event_id: LongIdentifier
    event_type: Identifier = Field(examples=["agent.turn"])
    occurred_at: Instant | None = Field(description="When it happened; null when that is unknown.")
    conversation_id: Identifier | None = None
    sequence: Annotated[int, Field(strict=True)] | None = Field(default=None, ge=-(2**63), lt=2**63)
    domain: Identifier | None = None
    origin: LongIdentifier | None = None
    channel: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    direction: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    service_id: Identifier | None = None
    traffic: Literal["production", "simulation"] | None = None
    run_id: Identifier | None = None
    session_id: Identifier | None = None
    participant: Identifier | None = None
    tags: list[str] | None = None
    about: Annotated[bool, Field(strict=True)] | None = Field(
        default=None, description="Said of the conversation from outside, so that its instant stretches nothing."
    )
    supersedes: LongIdentifier | None = Field(default=None, description="Id of the event whose place it takes.")
    revision: Annotated[int, Field(strict=True)] | None = Field(
        default=None, ge=-(2**63), lt=2**63, description="Of one event_id the greatest counts."
    )
    data: dict[str, Any] | None = None


class CloudEvent(BaseModel):
    """A CloudEvent 1.0 in structured JSON; `source` and `id` make sending it twice harmless."""

    model_config = ConfigDict(extra="allow")

    specversion: Literal["1.0"]
    id: Annotated[str, Field(min_length=1, max_length=128)]
    source: Annotated[str, Field(min_length=1, max_length=127)]
    type: Identifier
    time: Instant


@dataclass(frozen=True)
class Refused:
    """An event that was not taken."""

    index: int
    problems: tuple[tuple[tuple[str | int, ...], str], ...]


class Intake:
    """Takes events for the landing folder; safe to share between threads.

    Args:
        settings: where the landing folder is and how segments are cut.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._checker = EventChecker(settings)
        serve = settings.serve
        self._writer = SegmentWriter(
            intake_folder(settings),
            settings.landing_url,
            max_bytes=serve.segment_bytes,
            max_seconds=serve.segment_seconds,
            max_waiting=serve.intake_bytes,
        )

    def take(self, events: Sequence[Any]) -> list[Refused]:
        """Store the events that can be accepted; they are on disk when this returns.

        Returns:
            Those that cannot be, with every reason.

        Raises:
            StoreUnavailableError: nothing was stored; send all of them again.
        """
        refused: list[Refused] = []
        lines: dict[int, bytes] = {}
        now = datetime.now(UTC)
        for index, event in enumerate(events):
            if problems := self._problems(event, now):
                refused.append(Refused(index, problems))
                continue
            try:
                lines[index] = orjson.dumps(event)
            except TypeError:  # all else that it cannot write did not come out of JSON
                refused.append(Refused(index, (((), "nested too deeply; 250 levels are the limit"),)))
        # What is left is looked at by the code that will store it, so that nothing is accepted and then dropped.
        told = self._checker.problems([line.decode() for line in lines.values()])
        for index, problem in zip(list(lines), told, strict=True):
            if problem is not None or len(lines[index]) > self._settings.max_record_bytes:
                del lines[index]
                large = f"larger than {self._settings.max_record_bytes} bytes; split it"
                refused.append(Refused(index, (((), problem or large),)))
        if lines:
            self._writer.append(b"\n".join(lines.values()) + b"\n")
        return sorted(refused, key=lambda each: each.index)

    def close(self) -> None:
        """Put what was taken in place."""
        self._writer.close()
        self._checker.close()

    def _problems(self, event: Any, now: datetime) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        model = CloudEvent if isinstance(event, dict) and "specversion" in event else CanonicalEvent
        try:
            read = model.model_validate(event)
        except ValidationError as error:
            return tuple((problem["loc"], problem["msg"]) for problem in error.errors(include_input=False))
        name, instant = ("time", read.time) if isinstance(read, CloudEvent) else ("occurred_at", read.occurred_at)
        if instant is not None and not self._settings.earliest_event <= instant <= now + _FUTURE:
            return (((name,), f"outside {self._settings.earliest_event.isoformat()} to 24 hours from now"),)
        return ()


def intake_folder(settings: Settings) -> Path:
    """Where segments are written before they are put into the landing folder."""
    return settings.home / "intake"


def adopt_intake(settings: Settings) -> int:
    """Put what a killed server had accepted into the landing folder; called before files are looked for.

    Returns:
        How many segments there were.
    """
    return adopt_segments(intake_folder(settings), settings.landing_url)
