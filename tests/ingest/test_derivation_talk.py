"""Talk time, overtalk, silence, gaps, runs and interruptions, recomputed from the raw files without the SQL."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROLES = ("agent", "user")


@dataclass(frozen=True)
class Spell:
    """One stretch of speech, in microseconds."""

    role: str
    start: int
    end: int


@dataclass(frozen=True)
class Expected:
    """What a conversation must come to, by going over its moments one by one."""

    talk: dict[str, int]
    somebody: int
    overtalk: int
    silence: int
    longest_pause: int
    responses: dict[str, list[int]]
    runs: dict[str, int]
    interruptions: dict[
        str, list[tuple[int, int]]
    ]  # by who cuts in: stop time, -1 where the other did not stop; overlap
    backchannels: dict[str, int]


def expect(spells: list[Spell], end: int) -> Expected:
    """Recompute by brute force over elementary intervals and pairs; `end` is the length of the conversation."""
    moments = sorted({moment for spell in spells for moment in (spell.start, spell.end)})
    talk, somebody, overtalk, pauses = dict.fromkeys(ROLES, 0), 0, 0, [0]
    for left, right in pairwise(moments):
        now = {spell.role for spell in spells if spell.start <= left and spell.end >= right}
        for role in now:
            talk[role] += right - left
        somebody += (right - left) * bool(now)
        overtalk += (right - left) * (len(now) > 1)
        if not now:
            pauses.append(right - left)
    responses: dict[str, list[int]] = {role: [] for role in ROLES}
    ordered = sorted(spells, key=lambda spell: (spell.start, spell.role))  # as their event ids sort
    for place, spell in enumerate(ordered):
        earlier = ordered[:place]
        quiet_since = max((other.end for other in earlier), default=None)
        if quiet_since is not None and quiet_since <= spell.start:
            *_, last = (other.role for other in earlier if other.end == quiet_since)  # of two, the one who began last
            if last != spell.role:
                responses[spell.role].append(spell.start - quiet_since)
    runs = {role: _runs(spells, role) for role in ROLES}
    interruptions: dict[str, list[tuple[int, int]]] = {role: [] for role in ROLES}
    backchannels = dict.fromkeys(ROLES, 0)
    for role, other in (ROLES, ROLES[::-1]):
        for start, stop in runs[role]:
            facing = [run for run in runs[other] if run[0] <= start < run[1]]
            if not facing:
                continue
            [(other_start, other_stop)] = facing
            if stop <= other_stop and stop - start <= 1_000_000:
                backchannels[role] += 1
            elif start - other_start >= 200_000 and min(stop, other_stop) - start >= 200_000:
                given_way = other_stop - start if other_stop <= stop else -1
                interruptions[role].append((given_way, min(stop, other_stop) - start))
    return Expected(
        talk, somebody, overtalk, end - somebody, max(pauses), responses,
        {role: len(runs[role]) for role in ROLES}, interruptions, backchannels,
    )  # fmt: skip


def _runs(spells: list[Spell], role: str) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for spell in sorted((spell for spell in spells if spell.role == role), key=lambda spell: spell.start):
        if joined and spell.start - joined[-1][1] <= 200_000:
            joined[-1] = (joined[-1][0], max(joined[-1][1], spell.end))
        else:
            joined.append((spell.start, spell.end))
    return joined


def check(summary: dict[str, Any], expected: Expected) -> None:
    """Compare a derived summary with what it must be."""
    said, waited = summary["conversation_summary"], summary["latency_summary"]
    seconds = {
        "talk_seconds": expected.somebody,
        "agent_talk_seconds": expected.talk["agent"],
        "user_talk_seconds": expected.talk["user"],
        "overtalk_seconds": expected.overtalk,
    }
    assert {name: said[name] for name in seconds} == pytest.approx({k: v / 1e6 for k, v in seconds.items()}, abs=1e-6)
    assert waited["silence_seconds"] == pytest.approx(expected.silence / 1e6, abs=1e-6)
    assert waited["longest_pause_seconds"] == pytest.approx(expected.longest_pause / 1e6, abs=1e-6)
    for role, prefix in (("agent", ""), ("user", "user_")):
        gaps = expected.responses[role]
        assert waited[f"{prefix}response_count"] == len(gaps)
        if gaps:
            assert waited[f"avg_{prefix}response_ms"] == pytest.approx(sum(gaps) / len(gaps) / 1e3)
            assert waited[f"max_{prefix}response_ms"] == pytest.approx(max(gaps) / 1e3)
        assert said[f"{role}_run_count"] == expected.runs[role]
        assert said[f"{role}_backchannel_count"] == expected.backchannels[role]
    assert said["barge_in_count"] == len(expected.interruptions["user"])
    assert said["agent_interruption_count"] == len(expected.interruptions["agent"])
    barge_ins = expected.interruptions["user"]
    assert said["failed_barge_in_count"] == sum(stop < 0 for stop, _ in barge_ins)
    assert said["barge_in_overlap_seconds"] == pytest.approx(sum(both for _, both in barge_ins) / 1e6, abs=1e-6)
    if stops := [stop for stop, _ in barge_ins if stop >= 0]:
        assert said["max_agent_stop_ms"] == pytest.approx(max(stops) / 1e3)
    else:
        assert "max_agent_stop_ms" not in said


def _summaries(pipe: Any) -> dict[str, dict[str, Any]]:
    rows = pipe.rows("SELECT conversation_id, intelligence FROM conversations")
    return {key: json.loads(text) for key, text in rows}


def _textgrid(text: str, role: str) -> tuple[list[Spell], float]:
    found = re.findall(r'xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = "((?:[^"]|"")*)"', text)
    spells = [_spell(role, float(low), float(high)) for low, high, words in found if words]
    return spells, float(re.findall(r"xmax = ([\d.]+)", text)[0])


def _spell(role: str, low: float, high: float) -> Spell:
    """Like an event: beginning and length are each cut to microseconds."""
    start = round(low * 1e6)
    return Spell(role, start, start + round((high - low) * 1e6))


def test_primock57_agrees_with_a_plain_recomputation(pipe: Any, shipped_sources: Any, shared_data: Path) -> None:
    pipe.catalog = shipped_sources
    archive = shared_data / "primock57" / "consultations.tar.gz"
    pipe.ingest(archive)
    spells: dict[str, list[Spell]] = {}
    ends: dict[str, float] = {}
    with tarfile.open(archive) as files:
        for member in files:
            if match := re.search(r"(day\d+_consultation\d+)_(doctor|patient)\.TextGrid$", member.name):
                stream = files.extractfile(member)
                assert stream is not None
                found, end = _textgrid(stream.read().decode(), {"doctor": "agent", "patient": "user"}[match[2]])
                spells.setdefault(match[1], []).extend(found)
                if match[2] == "doctor":
                    ends[match[1]] = end
    summaries = _summaries(pipe)
    assert len(summaries) == len(spells) == 35
    for key, spoken in spells.items():
        end = max(round(ends[key] * 1e6), *(spell.end for spell in spoken))
        assert summaries[key]["duration_seconds"] == pytest.approx(end / 1e6, abs=1e-5)
        expected = expect(spoken, end)
        check(summaries[key], expected)
        assert expected.responses["agent"]
        assert expected.overtalk > 0


def test_tau2_voice_agrees_with_a_plain_recomputation(pipe: Any, shipped_sources: Any, shared_data: Path) -> None:
    pipe.catalog = shipped_sources
    folder = shared_data / "tau2" / "voice" / "simulations"
    pipe.ingest(folder)
    summaries = _summaries(pipe)
    assert len(summaries) == 2
    for path in folder.iterdir():
        run = json.loads(gzip.decompress(path.read_bytes()))
        ticks = run["ticks"]
        spells = []
        for role in ROLES:
            speaking = [tick[f"{role}_chunk"]["contains_speech"] for tick in ticks] + [False]
            begin: int | None = None
            for number, speaks in enumerate(speaking):
                if speaks and begin is None:
                    begin = number
                elif not speaks and begin is not None:
                    spells.append(Spell(role, begin * 200_000, number * 200_000))
                    begin = None
        summary = summaries[run["id"]]
        check(summary, expect(spells, len(ticks) * 200_000))
        assert summary["conversation_summary"]["turn_count"] == 0
        assert "word_count" not in summary["conversation_summary"]


times = st.tuples(st.sampled_from(ROLES), st.integers(0, 2_000), st.integers(0, 700))


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(times, min_size=1, max_size=8), min_size=25, max_size=40))
def test_times_equal_a_raster_of_milliseconds(
    new_pipe: Any, tmp_path_factory: pytest.TempPathFactory, examples: list[list[tuple[str, int, int]]]
) -> None:
    pipe = new_pipe(tmp_path_factory.mktemp("raster"))
    pipe.write("a.ndjson", *(event for key, spells in enumerate(examples) for event in _events(str(key), spells)))
    pipe.ingest()
    turns = dict(pipe.rows("SELECT conversation_id, list_transform(turns, lambda turn: turn.data) FROM conversations"))
    for key, summary in _summaries(pipe).items():
        spells = examples[int(key)]
        cells: dict[str, set[int]] = {role: set() for role in ROLES}
        for role, start, length in spells:
            cells[role] |= set(range(start, start + length))
        last = max(start + length for _, start, length in spells)
        both, either = cells["agent"] & cells["user"], cells["agent"] | cells["user"]
        said = summary["conversation_summary"]
        assert said["agent_talk_seconds"] == len(cells["agent"]) / 1e3
        assert said["user_talk_seconds"] == len(cells["user"]) / 1e3
        assert said["talk_seconds"] == len(either) / 1e3
        assert said["overtalk_seconds"] == len(both) / 1e3
        assert summary["latency_summary"]["silence_seconds"] == pytest.approx((last - len(either)) / 1e3)
        for data in map(json.loads, turns[key]):
            mine = set(range(data["offset"], data["offset"] + data["duration_ms"]))
            assert data["overlap_ms"] == len(mine & both)


def _events(key: str, spells: list[tuple[str, int, int]]) -> list[dict[str, Any]]:
    common = {"conversation_id": key, "channel": "voice"}
    start = {"event_id": f"{key}/start", "event_type": "session.start", "occurred_at": "2026-01-05T10:00:00Z"}
    return [common | start] + [
        {
            **common,
            "event_id": f"{key}/{number}",
            "event_type": f"{role}.turn",
            "occurred_at": f"2026-01-05T10:00:{offset / 1000:06.3f}Z",
            "data": {"offset": offset, "duration_ms": length},
        }
        for number, (role, offset, length) in enumerate(spells)
    ]
