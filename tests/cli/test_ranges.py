"""Which hours a command takes: none of the future, none twice, each in the range in which it starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli import instants
from pipeline.cli.app import run
from pipeline.cli.export import format_of
from pipeline.settings import Settings
from pipeline.window import HOUR, Window, ceil_hour, floor_hour

KOLKATA = ZoneInfo("Asia/Kolkata")


def test_an_hour_that_has_not_begun_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "metric-store.toml").touch()
    assert run(["run", "--at", "2090-01-01T00:00Z", "--metric", "call_count"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "2090-01-01 00:00 UTC has not begun" in told
    soon = floor_hour(datetime.now(UTC)) + 3 * HOUR
    ends = ["--from", soon.isoformat(), "--to", (soon + 3 * HOUR).isoformat()]
    assert run(["backfill", *ends, "--metric", "call_count"]) == 2
    assert "has not begun" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.duckdb")), "nothing was done"


def test_a_backfill_ends_where_the_present_does(capsys: pytest.CaptureFixture[str]) -> None:
    now = floor_hour(datetime.now(UTC))
    ends = ["--from", (now - HOUR).isoformat(), "--to", (now + 5 * HOUR).isoformat()]
    assert run(["backfill", *ends, "--metric", "call_count"]) == 0
    assert " of 6 hours have not begun and are left out" in " ".join(capsys.readouterr().err.split())
    assert run(["status", *ends[:2], "--json"]) == 0
    assert '"stale"' not in capsys.readouterr().out.split('"call_count"')[1].split("}")[0]


@pytest.mark.parametrize(
    ("zone", "text", "says"),
    [
        ("Europe/Berlin", "2026-03-29T02:00", "does not exist"),
        ("Europe/Berlin", "2026-03-29T02:30", "does not exist"),
        ("Europe/Berlin", "2026-10-25T02:00", "comes twice"),
        ("America/New_York", "2026-11-01T01:00", "2026-11-01T01:00-04:00 or 2026-11-01T01:00-05:00"),
    ],
)
def test_a_time_that_clocks_skip_or_repeat_is_named(settings: Settings, zone: str, text: str, says: str) -> None:
    local = settings.model_copy(update={"timezone": zone})
    with pytest.raises(typer.BadParameter, match=says):
        instants.hour(text, local)
    assert instants.instant(f"{text}Z", local)


@pytest.mark.parametrize(
    ("zone", "text", "starts"),
    [
        ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00Z"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00Z"),
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00Z"),  # there is no midnight: the day starts at 01:00
    ],
)
def test_other_times_and_all_dates_are_taken(settings: Settings, zone: str, text: str, starts: str) -> None:
    local = settings.model_copy(update={"timezone": zone})
    assert instants.instant(text, local).astimezone(UTC) == datetime.fromisoformat(starts)


_INSTANTS = st.integers(0, 4 * 24 * 4).map(lambda quarters: datetime(2026, 3, 1, tzinfo=UTC) + quarters * HOUR / 4)


@given(st.lists(_INSTANTS, min_size=2, max_size=5).map(sorted))
def test_ranges_that_meet_have_every_hour_once(cuts: list[datetime]) -> None:
    hours = [w.hour for a, b in pairwise(cuts) for w in Window.each_hour(a, b)]
    assert hours == [w.hour for w in Window.each_hour(cuts[0], cuts[-1])]
    assert all(cuts[0] <= hour < cuts[-1] for hour in hours)
    assert len(hours) == (ceil_hour(cuts[-1]) - ceil_hour(cuts[0])) / HOUR


def test_a_day_of_a_half_hour_zone_has_24_hours() -> None:
    start = datetime(2026, 3, 2, tzinfo=KOLKATA)
    assert len(list(Window.each_hour(start, start + timedelta(days=1)))) == 24


@pytest.mark.parametrize("name", ["calls.xlsx", "calls.json", "calls.ndjson.gz", "calls.parquet2"])
def test_an_export_refuses_an_ending_that_it_cannot_write(name: str) -> None:
    with pytest.raises(typer.BadParameter, match="cannot be written"):
        format_of(Path(name))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.parquet", "parquet"), ("a.CSV", "csv"), ("a.jsonl", "ndjson"), ("a", "ndjson"), ("-", "ndjson")],
)
def test_an_export_writes_what_the_ending_says(name: str, kind: str) -> None:
    assert format_of(Path(name)) == kind


def test_a_dry_run_says_what_it_has_not_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "e.ndjson").write_text("")
    monkeypatch.setenv("METRIC_STORE_LANDING", str(landing))
    assert run(["run", "--at", "2026-03-02T09:00Z", "--metric", "call_count", "--dry-run"]) == 0
    assert "1 file is not read yet" in capsys.readouterr().err


def test_a_home_that_is_a_file_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "note.txt").write_text("")
    monkeypatch.setenv("METRIC_STORE_HOME", str(tmp_path / "note.txt"))
    assert run(["run"]) == 2
    assert "home: Value error, a file; name a folder" in " ".join(capsys.readouterr().err.split())
