"""Events to files, as a landing folder looks: plain, compressed, archived, out of order, some twice, some broken."""

from __future__ import annotations

import gzip
import io
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson

from pipeline.sample.truth import LANDING, LATE, Planted

ARCHIVED_HOURS = 6
COMPRESSED_HOURS = 24


class Landing:
    """Gathers one file of NDJSON for each hour in which something happened."""

    def __init__(self, rng: Random, start: datetime, hours: int) -> None:
        self.rng = rng
        self.names = [f"{start + timedelta(hours=i):%Y-%m-%dT%H}.ndjson" for i in range(hours)]
        self.lines: dict[str, list[bytes]] = defaultdict(list)

    def add(self, events: Iterable[dict[str, Any]]) -> None:
        """Sort events into the files of their hours, in order of time; compressed files are out of order."""
        for event in sorted(events, key=lambda event: (event["occurred_at"], event["event_id"])):
            self.lines[f"{event['occurred_at'][:13]}.ndjson"].append(orjson.dumps(event))
        for name in self.names[ARCHIVED_HOURS:COMPRESSED_HOURS]:
            self.rng.shuffle(self.lines[name])

    def repeat(self, events: int) -> int:
        """Deliver some events again, in the file of the hour that follows; returns how many."""
        again = self.rng.sample(
            [(i, line) for i, name in enumerate(self.names[:-1]) for line in self.lines[name]], events
        )
        for i, line in again:
            self.lines[self.names[i + 1]].append(line)
        return len(again)

    def spoil(self) -> tuple[Planted, ...]:
        """Plant, near the end, a record that was cut off in the middle and one whose time has no zone."""
        naive, cut = [name for name in self.names[COMPRESSED_HOURS:] if len(self.lines[name]) > 10][-2:]
        whole = self.lines[cut][0]
        event = orjson.loads(self.lines[naive][0])
        event |= {"event_id": f"{event['event_id']}-survey", "event_type": "metric.written", "domain": "metric"}
        event |= {"occurred_at": event["occurred_at"][:19], "data": {"name": "csat_score", "value": 4}}
        middle = len(self.lines[cut]) // 2
        self.lines[cut].insert(middle, whole[: len(whole) // 2])
        self.lines[naive].append(orjson.dumps(event))
        return (
            Planted(cut, middle + 1, "half a JSON record"),
            Planted(naive, len(self.lines[naive]), "a time without a zone"),
        )

    def write(self, folder: Path, connectors: list[dict[str, Any]], late: list[dict[str, Any]]) -> None:
        """Write everything; an earlier sample in the same folder is replaced."""
        for name in (LANDING, LATE):
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir(parents=True)
        landing = folder / LANDING
        (landing / f"{self.names[0][:10]}-first-hours.zip").write_bytes(
            _zip({name: _join(self.lines[name]) for name in self.names[:ARCHIVED_HOURS]})
        )
        for name in filter(self.lines.get, self.names[ARCHIVED_HOURS:COMPRESSED_HOURS]):
            (landing / f"{name}.gz").write_bytes(gzip.compress(_join(self.lines[name]), mtime=0))
        for name in filter(self.lines.get, self.names[COMPRESSED_HOURS:]):
            (landing / name).write_bytes(_join(self.lines[name]))
        (landing / "connectors.cloudevents.ndjson").write_bytes(_join(orjson.dumps(event) for event in connectors))
        (folder / LATE / "late.ndjson").write_bytes(_join(orjson.dumps(event) for event in late))


def _join(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # ZipInfo: no time of writing
    return buffer.getvalue()
