"""What is true of the sample: one label set for each conversation, and what was planted in the files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

LANDING, LATE, TRUTH = "landing", "late", "sample_truth.json"


@dataclass(frozen=True)
class ConversationTruth:
    """What a careful listener would say of one conversation. None: the question does not apply.

    Attributes:
        fingerprint: of the transcript, see `fingerprint`; how a judge that sees only the text recognises it.
        topic: scheduling, billing, clinical_question, prescription, referral, complaint or other.
        intent: the scenario's key, finer than the topic.
        sentiment: of the caller at the end: positive, neutral or negative.
        resolved: whether the caller got what they came for, from the assistant or from the person who took over.
        empathy: of the agent, 1 to 10.
        protocol_followed: whether the agent did all that the protocol asks for in this scenario.
        disclosed: whether the agent said that the conversation may be recorded.
        verified: whether the caller's identity was established.
        escalated: whether the agent handed over to a person.
        frustrated: whether the caller became frustrated on the way.
        facts: names, days, times and amounts that were said, by kind.
    """

    fingerprint: str
    channel: str
    traffic: str
    topic: str
    intent: str
    sentiment: str | None
    resolved: bool | None
    empathy: int | None
    protocol_followed: bool | None
    disclosed: bool | None
    verified: bool | None
    escalated: bool
    frustrated: bool
    completion_reason: str | None
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Planted:
    """A record that ingestion must refuse: the file under the landing folder, the line and what is wrong."""

    file: str
    line: int
    fault: str


@dataclass(frozen=True)
class SampleTruth:
    """The labels, and what ingestion must find.

    Attributes:
        folder: where the sample was written: `landing/`, `late/` and the file of this object.
        conversations: labels by conversation id. Sessions of a form have no transcript and no labels.
        events: distinct good events under `landing/`.
        duplicates: events under `landing/` that repeat one of them.
        forms: sessions of a form.
        rejected: the planted faults.
        late_events: events under `late/`, each of a conversation under `landing/` that had ended 20 to 24 hours before.
        late_conversations: the conversations they belong to.
        out_of_range: the conversation whose quality score is 9e124.
        in_progress: conversations that have not ended at the end of the sample.
        unsummarised: conversations without a call-intelligence row, ever.
    """

    folder: Path
    conversations: dict[str, ConversationTruth]
    events: int
    duplicates: int
    forms: int
    rejected: tuple[Planted, ...]
    late_events: int
    late_conversations: tuple[str, ...]
    out_of_range: str
    in_progress: tuple[str, ...]
    unsummarised: tuple[str, ...]

    @property
    def landing(self) -> Path:
        """The folder to ingest."""
        return self.folder / LANDING

    @property
    def late(self) -> Path:
        """The folder to ingest afterwards."""
        return self.folder / LATE

    def save(self) -> None:
        """Write the labels beside the landing folder, never into it."""
        body = asdict(self)
        del body["folder"]
        options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        (self.folder / TRUTH).write_bytes(orjson.dumps(body, option=options))


def load_truth(path: Path) -> SampleTruth:
    """Read the labels that `write_sample` left: the file, or the folder that holds it."""
    file = path / TRUTH if path.is_dir() else path
    body = orjson.loads(file.read_bytes())
    body["conversations"] = {key: ConversationTruth(**labels) for key, labels in body["conversations"].items()}
    body["rejected"] = tuple(Planted(**planted) for planted in body["rejected"])
    for name in ("late_conversations", "in_progress", "unsummarised"):
        body[name] = tuple(body[name])
    return SampleTruth(folder=file.parent, **body)


def fingerprint(turns: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over `role: text`, one line for each turn in order."""
    return hashlib.sha256("\n".join(f"{role}: {text}" for role, text in turns).encode()).hexdigest()
