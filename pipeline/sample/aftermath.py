"""What surrounds a conversation: what the agent wrote about it, bookings, forms, the voice judge, connectors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from pipeline.sample.events import Event, Recorder, instant
from pipeline.sample.summary import Observed

CONNECTORS = ("ehr_appointments", "billing_ledger")
FORMS = {
    "pre_visit_intake": ("reason_for_visit", "symptoms", "medications", "allergies", "insurance_number", "signature"),
    "card_payment": ("account_number", "amount", "card_holder", "card_number", "expiry", "agreement"),
}
VOICE_SCORES = (
    "latency_dead_air_score",
    "pronunciation_score",
    "clarity_score",
    "filler_silence_score",
    "interruption_handling_score",
    "audio_consistency_score",
    "pacing_score",
    "warmth_tone_score",
    "accent_quality_score",
    "voice_identity_score",
)


def write_metrics(rng: Random, recorder: Recorder, seen: Observed, intent: str) -> None:
    """Emit what the agent itself measures: intent (repeated), issue_resolved (write once), csat_score (if answered)."""
    dialogue = seen.dialogue
    if dialogue.resolved is None:
        return

    def write(name: str, value: Any, *, write_once: bool = False) -> None:
        data = {"name": name, "value": value, "write_once": write_once}
        recorder.emit("metric.written", seen.ended_at, "metric", participant="agent", data=data)

    if rng.random() < 0.2:
        write("intent", "unknown")
    write("intent", intent)
    write("issue_resolved", dialogue.resolved, write_once=True)
    if rng.random() < 0.15:
        write("issue_resolved", not dialogue.resolved, write_once=True)  # a retried hook: ignored, the first wins
    if dialogue.completion_reason in ("completed", "warm_transfer_completed") and rng.random() < 0.45:
        middle = {"positive": 5, "neutral": 4, "negative": 2}[str(dialogue.sentiment)]
        write("csat_score", max(1, min(5, middle + rng.choice((-1, 0, 0, 0, 1)))))


def record_outcome(rng: Random, recorder: Recorder, seen: Observed) -> None:
    """Emit the entry in the clinic's world that a resolved matter leaves: a booking, a cancellation, a refill."""
    event_type = seen.dialogue.scenario.get("world_event")
    if event_type and seen.dialogue.resolved and not seen.dialogue.escalated:
        data = {"confidence": rng.choice((1.0, 1.0, 0.95, 0.9)), "status": "current", "source_system": CONNECTORS[0]}
        recorder.emit(event_type, seen.ended_at, "world", participant="agent", data=data)


def judge_voice(rng: Random, recorder: Recorder, seen: Observed) -> None:
    """Emit the scores that an audio model gave, for about a third of the calls."""
    if seen.channel != "voice" or len(seen.turns) < 4 or rng.random() > 0.35:
        return
    scores = {name: round(min(1.0, max(0.0, rng.gauss(0.86, 0.07))), 2) for name in VOICE_SCORES}
    scores["interruption_handling_score"] = round(max(0.2, 0.95 - 0.15 * seen.barge_ins), 2)
    data: dict[str, Any] = {**scores, "overall_score": round(sum(scores.values()) / len(scores), 3)}
    data |= {
        "critical_count": 0,
        "flag_count": sum(score < 0.75 for score in scores.values()),
        "warning_count": seen.barge_ins,
    }
    recorder.emit("voice_judge.result", seen.ended_at, "voice_judge", data=data)


def fill_form(rng: Random, call: Recorder, seen: Observed) -> list[Event]:
    """The session of a form that was sent after a call: created, delivered, perhaps opened, filled in, submitted."""
    if not (seen.dialogue.scenario.get("surface") and seen.dialogue.resolved and rng.random() < 0.8):
        return []
    surface_id = f"form_{call.conversation_id.partition('_')[2]}"
    form = Recorder(surface_id, {**call.common, "channel": "surface", "direction": "outbound"})
    template = "pre_visit_intake" if call.common["service_id"] == "scheduling" else "card_payment"
    at = seen.ended_at + timedelta(seconds=rng.randrange(2, 8))
    common = {"surface_id": surface_id, "form_template_id": template, "channel": "sms"}
    fields = FORMS[template]
    created = {**common, "fields_count": len(fields), "call_id": call.conversation_id}
    form.emit("surface.created", at, "surface", data=created)
    at += timedelta(milliseconds=rng.randrange(900, 6_000))
    delivered = rng.random() < 0.96
    form.emit("surface.delivered" if delivered else "surface.bounced", at, "surface", data=common)
    if delivered and rng.random() < 0.78:
        at += timedelta(seconds=round(rng.lognormvariate(6.0, 1.0)))
        form.emit("surface.opened", at, "surface", participant="caller", data=common)
        submitted = rng.random() < 0.82
        took = timedelta(seconds=rng.randrange(45, 480)) if submitted else timedelta(seconds=150)
        # Whoever gives up does so at any field; a stream of its own, so that nothing else of the sample moves.
        filled = len(fields) if submitted else Random(surface_id).choice((0, 1, 1, 2, 3, 3, 3, 4))  # noqa: S311
        for place, field_key in enumerate(fields[:filled], 1):
            saved = at + took * place / (len(fields) + 1)
            field = {**common, "field_key": field_key}
            form.emit("surface.field_saved", saved, "surface", participant="caller", data=field)
        if submitted:
            data = {**common, "fields_submitted": list(fields), "confidence": 0.5}
            form.emit("surface.submitted", at + took, "surface", participant="caller", data=data)
    return form.events


def synchronise(rng: Random, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Connector events as CloudEvents 1.0: each source is polled every hour and fails now and then."""
    hour = start
    while hour < end:
        for source in CONNECTORS:
            at = hour + timedelta(seconds=rng.randrange(30, 240))
            failed = rng.random() < 0.06
            data: dict[str, Any] = {"data_source_id": source}
            if failed:
                data["error"] = "connection refused by the source system"
            else:
                data |= {"event_count": rng.randrange(5, 90), "duration_ms": round(rng.lognormvariate(7.2, 0.4))}
            yield {
                "specversion": "1.0",
                "id": f"sync-{source}-{hour:%Y%m%dT%H}",
                "source": f"/connectors/{source}",
                "type": "pipeline.error" if failed else "pipeline.sync_completed",
                "time": instant(at),
                "datacontenttype": "application/json",
                "domain": "connector",
                "data": data,
            }
        hour += timedelta(hours=1)
