"""Two days of a clinic group's conversations, the same bytes for the same arguments."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from pipeline.sample import aftermath
from pipeline.sample.dialogue import Dialogue, play, script, words_for
from pipeline.sample.events import Event, Recorder, finish, instant, perform
from pipeline.sample.landing import Landing
from pipeline.sample.summary import Observed, summarise
from pipeline.sample.truth import ConversationTruth, SampleTruth, fingerprint

SERVICES = {"scheduling": ["scheduling", "intake"], "billing_support": ["support"], "outbound_reminders": ["outbound"]}
SHARES = (50, 28, 22)
CHANNELS = {"voice": 62, "webchat": 24, "sms": 14}
PREFIX = {"voice": "call", "webchat": "chat", "sms": "sms"}
BUSY = (1, 1, 1, 1, 1, 2, 5, 12, 24, 30, 32, 28, 22, 26, 30, 28, 24, 18, 12, 8, 6, 4, 2, 1)  # starts by hour of day
SIMULATED = 0.1
NAMED = ("doctor", "site", "insurer", "medication", "visit", "specialist")
FACTS = (*NAMED, "day", "time", "amount", "months", "reference")
LATE_CONVERSATIONS = 6
LATE_TYPES = ("call_intelligence.row", "metric.written")


@dataclass(frozen=True)
class _Plan:
    """What is decided about a conversation before anyone speaks."""

    start: datetime
    service: str
    channel: str
    scenario: str
    traffic: str


@dataclass(frozen=True)
class _Played:
    """A conversation as it happened."""

    conversation_id: str
    events: list[Event]
    form: list[Event]
    truth: ConversationTruth
    ended_at: datetime
    summarised: bool


def write_sample(
    folder: Path, *, end: datetime, hours: int = 48, seed: int = 7, conversations: int = 600
) -> SampleTruth:
    """Write landing files, late files and labels into a folder.

    Args:
        folder: gets `landing/`, `late/` and `sample_truth.json`.
        end: the sample covers the hours before this aware instant, which should be a whole hour.
        hours: how many, at least 36.
        seed: of everything that is drawn.
        conversations: how many, beside the sessions of forms that follow from them.
    """
    start = end - timedelta(hours=hours)
    rng = Random(seed)  # noqa: S311 - nothing here is secret
    plans = [_plan(rng, start, hours) for _ in range(conversations - 2)]
    plans += [
        _Plan(end - timedelta(seconds=10 + 10 * i), "scheduling", "voice", "book_visit", "production") for i in (0, 1)
    ]
    plans.sort(key=lambda plan: plan.start)
    spoilt = min(range(len(plans)), key=lambda i: (not _ordinary(plans[i]), abs(i - len(plans) // 2)))
    played = [
        _converse(Random(f"{seed}:{i}"), _digest(seed, end, i), plan, end, spoilt=i == spoilt)  # noqa: S311
        for i, plan in enumerate(plans)
    ]
    late = _late(rng, played, end)
    withheld = {event["event_id"] for call in late for event in call.events if event["event_type"] in LATE_TYPES}
    events = [event for call in played for event in (*call.events, *call.form)]
    files = Landing(rng, start, hours)
    files.add(event for event in events if event["event_id"] not in withheld)
    duplicates = files.repeat(events=len(events) // 200)
    rejected = files.spoil()
    connectors = list(aftermath.synchronise(rng, start, end))
    files.write(folder, connectors, [event for event in events if event["event_id"] in withheld])

    truth = SampleTruth(
        folder=folder,
        conversations={call.conversation_id: call.truth for call in played},
        events=len(events) - len(withheld) + len(connectors),
        duplicates=duplicates,
        forms=sum(bool(call.form) for call in played),
        rejected=rejected,
        late_events=len(withheld),
        late_conversations=tuple(call.conversation_id for call in late),
        out_of_range=played[spoilt].conversation_id,
        in_progress=tuple(call.conversation_id for call in played if call.ended_at >= end),
        unsummarised=tuple(call.conversation_id for call in played if not call.summarised),
    )
    truth.save()
    return truth


def _digest(seed: int, end: datetime, index: int) -> str:
    """What ids are made of; samples that end at other instants share none, so that one store can hold several."""
    return hashlib.sha256(f"{seed} {instant(end)} {index}".encode()).hexdigest()[:24]


def _late(rng: Random, played: list[_Played], end: datetime) -> list[_Played]:
    """Some conversations that the last window still looks at, though they ended long ago."""
    first, last = end - timedelta(hours=24), end - timedelta(hours=20)
    fit = [call for call in played if first < call.ended_at <= last and call.summarised]
    fit = [call for call in fit if call.truth.traffic == "production"]
    return rng.sample(fit, min(LATE_CONVERSATIONS, len(fit)))


def _plan(rng: Random, start: datetime, hours: int) -> _Plan:
    traffic = "simulation" if rng.random() < SIMULATED else "production"
    hour = rng.choices(range(hours), [BUSY[(start + timedelta(hours=i)).hour] for i in range(hours)])[0]
    if traffic == "simulation":
        hour = min(hours - 1, 12 * round(hour / 12))  # test runs start twice a day
    begins = start + timedelta(hours=hour, milliseconds=rng.randrange(3_600_000))
    service = rng.choices(list(SERVICES), SHARES)[0]
    scenarios = {key: s for key, s in script()["scenarios"].items() if service in s["services"]}
    key = rng.choices(list(scenarios), [s["weight"] for s in scenarios.values()])[0]
    open_channels = scenarios[key].get("channels", list(CHANNELS))
    channel = rng.choices(open_channels, [CHANNELS[name] for name in open_channels])[0]
    return _Plan(begins, service, channel, key, traffic)


def _ordinary(plan: _Plan) -> bool:
    return plan.channel == "voice" and plan.traffic == "production" and plan.scenario == "explain_statement"


def _converse(rng: Random, digest: str, plan: _Plan, end: datetime, *, spoilt: bool) -> _Played:
    dialogue = play(rng, plan.scenario, plan.channel, words_for(rng, plan.start))
    conversation_id = f"{PREFIX[plan.channel]}_{digest}"
    common: dict[str, Any] = {
        "origin": "voice_agent" if plan.channel == "voice" else "text_agent",
        "channel": plan.channel,
        "direction": "outbound" if dialogue.scenario.get("outbound") else "inbound",
        "service_id": plan.service,
        "traffic": plan.traffic,
        "tags": SERVICES[plan.service],
    }
    if plan.traffic == "simulation":
        common |= {"run_id": f"nightly-{plan.start:%Y%m%dT%H}", "session_id": f"ses_{digest[:12]}"}
    recorder = Recorder(conversation_id, common)
    seen = perform(rng, dialogue, recorder, plan.start)
    aftermath.write_metrics(rng, recorder, seen, plan.scenario)
    aftermath.record_outcome(rng, recorder, seen)
    row = _row(rng, seen)
    if spoilt:
        row = {**summarise(rng, seen), "quality_score": 9e124}
    finish(recorder, seen, row)
    aftermath.judge_voice(rng, recorder, seen)
    form = aftermath.fill_form(rng, recorder, seen)
    until = instant(end)  # what has not happened yet is not in the files
    happened = [event for event in recorder.events if event["occurred_at"] < until]
    return _Played(
        conversation_id=conversation_id,
        events=happened,
        form=[event for event in form if event["occurred_at"] < until],
        truth=_truth(plan, dialogue, happened, finished=seen.ended_at < end),
        ended_at=seen.ended_at,
        summarised=any(event["event_type"] == "call_intelligence.row" for event in happened),
    )


def _row(rng: Random, seen: Observed) -> dict[str, Any] | None:
    """The call-intelligence row, or none; sometimes a part of it was never computed."""
    row = summarise(rng, seen)
    luck = rng.random()
    if luck < 0.05:
        return None
    if luck < 0.08:
        row.pop("emotion_summary", None)
    elif luck < 0.11:
        row["latency_summary"].pop("p95_engine_ms", None)
    elif luck < 0.13:
        row["quality_score"] = None
    return row


def _truth(plan: _Plan, dialogue: Dialogue, events: list[Event], *, finished: bool) -> ConversationTruth:
    turns = [event for event in events if event["event_type"].endswith(".turn")]
    text = " ".join(event["data"]["text"] for event in turns).lower()
    truth = ConversationTruth(
        fingerprint=fingerprint((event["event_type"].removesuffix(".turn"), event["data"]["text"]) for event in turns),
        channel=plan.channel,
        traffic=plan.traffic,
        topic=dialogue.scenario["topic"],
        intent=plan.scenario,
        sentiment=dialogue.sentiment,
        resolved=dialogue.resolved,
        empathy=dialogue.empathy,
        protocol_followed=dialogue.protocol_followed,
        disclosed=dialogue.disclosed,
        verified=dialogue.verified,
        escalated=dialogue.escalated,
        frustrated=dialogue.frustrated,
        completion_reason=dialogue.completion_reason,
        facts={kind: word for kind, word in dialogue.words.items() if kind in FACTS and word.lower() in text},
    )
    if finished:
        return truth
    return replace(
        truth,
        sentiment=None,
        resolved=None,
        empathy=None,
        protocol_followed=None,
        verified=None,
        escalated=any(event["event_type"] == "call.escalated" for event in events),
        completion_reason=None,
    )
