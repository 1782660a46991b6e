"""primock57 through the shipped mapping, against a plain reading of the files that knows nothing of the mapping."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import load_catalog
from pipeline.catalog.catalog import Catalog

INTERVAL = re.compile(r'xmin = (\S+)\s+xmax = (\S+)\s+text = "((?:[^"]|"")*)"')
ROLE = {"doctor": "agent.turn", "patient": "user.turn"}


@pytest.fixture(scope="module")
def archive(shared_data: Path) -> Path:
    return shared_data / "primock57" / "consultations.tar.gz"


@pytest.fixture(scope="module")
def members(archive: Path) -> dict[str, str]:
    """Text of each member of the archive, by its name."""
    with tarfile.open(archive) as packed:
        return {info.name: packed.extractfile(info).read().decode() for info in packed if info.isfile()}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def primock57(archive: Path, shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path_factory: Any) -> Any:
    pipe = new_pipe(tmp_path_factory.mktemp("primock57"), shipped_sources)
    pipe.report = pipe.ingest(archive)
    return pipe


def test_the_counts_of_the_readme(primock57: Any, members: dict[str, str]) -> None:
    assert sum(name.endswith(".TextGrid") for name in members) == 70
    assert sum(name.endswith(".json") for name in members) == 35
    assert primock57.report.rejected_count == 0
    assert primock57.report.files[0].source_key == "primock57"
    assert dict(primock57.rows("SELECT event_type, count(DISTINCT conversation_id) FROM events GROUP BY ALL")) == {
        "agent.turn": 35, "user.turn": 35, "session.start": 35, "session.end": 35, "call_intelligence.row": 35
    }  # fmt: skip


def test_every_utterance_is_a_turn_with_its_offset_and_length(primock57: Any, members: dict[str, str]) -> None:
    expected = {}
    for name, text in members.items():
        if name.endswith(".TextGrid"):
            conversation, speaker = Path(name).stem.rsplit("_", 1)
            for start, end, said in INTERVAL.findall(text):
                if said:
                    expected[conversation, ROLE[speaker], float(start) * 1000] = (
                        said.replace('""', '"'), (float(end) - float(start)) * 1000, speaker
                    )  # fmt: skip
    found = primock57.rows(
        "SELECT conversation_id, event_type, (data ->> '$.offset_ms')::DOUBLE, data ->> '$.text',"
        " (data ->> '$.duration_ms')::DOUBLE, participant FROM events WHERE event_type LIKE '%.turn'"
    )
    assert len(found) == len(expected) == 4230
    by_place = {(conversation, kind, round(offset, 3)): rest for conversation, kind, offset, *rest in found}
    for (conversation, kind, offset), (text, duration, speaker) in expected.items():
        assert by_place[conversation, kind, round(offset, 3)] == [text, pytest.approx(duration, abs=1e-3), speaker]


def test_no_instant_is_made_up(primock57: Any) -> None:
    assert primock57.rows("SELECT count(*) FROM events WHERE occurred_at IS NOT NULL") == [(0,)]
    assert primock57.rows("SELECT count(*), count(started_at) FROM conversations") == [(35, 0)]


def test_the_recording_ends_where_its_file_says(primock57: Any, members: dict[str, str]) -> None:
    header = re.compile(r"xmax = (\S+)")
    ends = dict(
        primock57.rows(
            "SELECT conversation_id, (data ->> '$.offset_ms')::DOUBLE FROM events WHERE event_type = 'session.end'"
        )
    )
    for name, text in members.items():
        if name.endswith("_doctor.TextGrid"):
            longest = float(header.search(text)[1]) * 1000  # type: ignore[index]
            assert ends[Path(name).stem.removesuffix("_doctor")] == pytest.approx(longest)


def test_the_doctors_note_is_the_summary(primock57: Any, members: dict[str, str]) -> None:
    found = {
        conversation: (summary, topic, json.loads(highlights))
        for conversation, summary, topic, highlights in primock57.rows(
            "SELECT conversation_id, intelligence ->> '$.summary', intelligence ->> '$.topic',"
            " intelligence -> '$.highlights' FROM conversations"
        )
    }
    for name, text in members.items():
        if name.endswith(".json"):
            note = json.loads(text)
            assert found[Path(name).stem] == (note["note"], note["presenting_complaint"], note["highlights"])


def test_the_mapping_of_a_new_format_takes_under_40_lines(primock57: Any, archive: Path, pipe: Any) -> None:
    """What a user would write for it, in the user's own folder, under a key of the user's own."""
    shipped = primock57.catalog.sources["primock57"].file.read_text()
    written = [line for line in shipped.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(written) < 40
    own = pipe.settings.definitions / "sources" / "consultations.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("\n".join(written).replace("key: primock57", "key: consultations"))
    pipe.catalog = load_catalog(pipe.settings)
    report = pipe.ingest(archive, source="consultations")
    assert (report.files[0].source_key, report.rejected_count) == ("consultations", 0)
    assert report.event_count == primock57.report.event_count


def test_unpacked_files_give_the_same_events(
    primock57: Any, members: dict[str, str], shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path: Path
) -> None:
    apart = new_pipe(tmp_path, shipped_sources)
    for name, text in members.items():
        if "day1_consultation01" in name:
            path = apart.folder / "primock57" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, newline="")
    assert apart.ingest().rejected_count == 0
    query = (
        "SELECT * EXCLUDE (ingested_at, file_id) FROM events"
        " WHERE conversation_id = 'day1_consultation01' ORDER BY event_id"
    )
    assert apart.rows(query) == primock57.rows(query) != []
