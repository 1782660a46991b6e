"""The same verb on the local store and on a server over that store: the same output, exit codes and files."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from api_server import serving

from pipeline.cli.app import run
from pipeline.sample import write_sample
from pipeline.settings import load_settings
from pipeline.store import Store
from pipeline.workspace.keys import create_key

HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
UNDATED = {"event_id": "u", "conversation_id": "undated", "event_type": "agent.turn", "occurred_at": None}
DEFINITIONS = """
definitions:
  - {key: c_turns, name: Turns, metric_type: numerical, source: call_intelligence, group: mine,
     event_types: [call_intelligence.row], extract_path: $.conversation_summary.turn_count, aggregation: avg}
  - {key: c_off, name: Off, metric_type: numerical, source: call_intelligence, active: false,
     event_types: [call_intelligence.row], extract_path: $.quality_score, aggregation: avg}
  - {key: c_broken, name: Broken, metric_type: numerical, source: nowhere, aggregation: none}
"""
CHECKS = """
checks:
  - {name: turns, sets: [gate], metric: avg_turn_count, condition: {operator: ">=", value: 0}, min_coverage: 0}
  - {name: long, sets: [strict], metric: avg_turn_count, condition: {operator: ">", value: 500}, min_coverage: 0.5}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, stored_in: str) -> Iterator[tuple[Path, str, dict[str, str]]]:
    """A home with something of everything that the verbs show, its server's address, and keys."""
    home = tmp_path_factory.mktemp("doors")
    sample = write_sample(home, end=HOUR, conversations=30)
    definitions = home / "definitions"
    (definitions / "metrics" / "custom").mkdir(parents=True)
    (definitions / "metrics" / "custom" / "c.yaml").write_text(DEFINITIONS)
    (definitions / "checks.yaml").write_text(CHECKS)
    (sample.landing / "broken.json.gz").write_bytes(b"\x1f\x8b no archive")
    (sample.landing / "undated.ndjson").write_text(json.dumps(UNDATED))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("METRIC_STORE_HOME", str(home))
        patch.setenv("METRIC_STORE_TIMEZONE", "Asia/Kolkata")
        at = (HOUR - timedelta(hours=1)).isoformat()
        assert run(["run", "--at", at, "--metric", "avg_turn_count", "--metric", "c_turns"]) == 1
        settings = load_settings()
        keys = {
            name: create_key(Store(settings), name, role, actor="cli", now=datetime.now(UTC), **rights)[1]
            for name, role, rights in (
                ("owner", "owner", {}),
                ("viewer", "viewer", {}),
                ("deaf", "viewer", {"transcripts": False}),
                ("narrow", "owner", {"metrics": ["avg_turn_count"]}),
            )
        }
        with serving(settings) as url:
            yield home, url, keys


@pytest.fixture(autouse=True)
def _home(project: tuple[Path, str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project[0])
    monkeypatch.setenv("METRIC_STORE_HOME", str(project[0]))
    monkeypatch.setenv("METRIC_STORE_TIMEZONE", "Asia/Kolkata")


class Doors:
    """Runs a verb at one door or the other."""

    def __init__(self, url: str, keys: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
        self.url, self.keys, self._capsys = url, keys, capsys

    def local(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = run(arguments)
        return code, *self._capsys.readouterr()

    def remote(self, *arguments: str, key: str = "owner") -> tuple[int, str, str]:
        return self.local(*arguments, "--url", self.url, "--key", self.keys.get(key, key))


@pytest.fixture
def doors(project: tuple[Path, str, dict[str, str]], capsys: pytest.CaptureFixture[str]) -> Doors:
    return Doors(project[1], project[2], capsys)


def a_conversation() -> str:
    with Store(load_settings()).read() as con:
        query = "SELECT max_by(conversation_id, turn_count) FROM conversations WHERE service_id IS NOT NULL"
        return str(con.execute(query).fetchall()[0][0])


DAY = f"{HOUR - timedelta(hours=20):%F}"
RANGE = ["--from", f"{HOUR - timedelta(hours=3):%FT%H:%MZ}", "--to", f"{HOUR:%FT%H:%MZ}"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["status"], 1),
        (["status", "--json"], 1),
        (["status", "--all", *RANGE], 1),
        (["status", "--from", DAY, "--json"], 1),  # a day of the workspace's zone
        (["status", "--quiet"], 1),
        (["status", "--group", "Mine", "--json"], 1),
        (["status", "--group", "nobody's"], 2),
        (["catalog"], 0),
        (["catalog", "--json"], 0),
        (["catalog", "--all", "--json"], 0),
        (["conversation", "ID"], 0),
        (["conversation", "ID", "--json"], 0),
        (["check"], 1),
        (["check", "gate", "--json"], 0),
        (["check", "gate", "strict", "--last", "2d", "--json"], 1),
        (["check", "gate", "--from", DAY, "--json"], 0),
        (["export", "conversations"], 0),
        (["export", "values", "--metric", "avg_turn_count", "--traffic", "all"], 0),
        (["export", "periods", "--json", "--from", DAY], 0),
        (["export", "conversations", "--from", DAY, "--service", "nobody"], 0),
    ],
    ids=lambda each: "_".join(each[:2]) + f"-{len(each)}" if isinstance(each, list) else str(each),
)
def test_both_doors_say_the_same(doors: Doors, arguments: list[str], code: int) -> None:
    arguments = [a_conversation() if each == "ID" else each for each in arguments]
    hour = datetime.now(UTC).hour
    local, remote = doors.local(*arguments), doors.remote(*arguments)
    if datetime.now(UTC).hour != hour:  # which `status` shows, and which ended between the two
        local, remote = doors.local(*arguments), doors.remote(*arguments)
    assert local == remote
    assert local[0] == code, local[2]
    assert code == 2 or "--quiet" in arguments or "nobody" in arguments or local[1]


@pytest.mark.parametrize("kind", ["conversations", "values", "periods"])
@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson"])
def test_an_export_is_the_same_file_byte_for_byte(doors: Doors, tmp_path: Path, kind: str, ending: str) -> None:
    here, there = tmp_path / f"here.{ending}", tmp_path / f"there.{ending}"
    told = doors.local("export", kind, "-o", str(here), "--from", "2020-01-01")
    assert told == doors.remote("export", kind, "-o", str(there), "--from", "2020-01-01")
    assert here.read_bytes() == there.read_bytes() != b""
    assert ("1 without an instant left out" in told[2]) == (kind == "conversations") or kind == "values"


def test_a_junit_file_is_the_same(doors: Doors, tmp_path: Path) -> None:
    here, there = tmp_path / "here.xml", tmp_path / "there.xml"
    assert doors.local("check", "--junit", str(here)) == doors.remote("check", "--junit", str(there))
    assert here.read_bytes() == there.read_bytes()


def test_a_key_sees_what_it_may(doors: Doors) -> None:
    subject = a_conversation()
    spoken = [turn["text"] for turn in json.loads(doors.local("conversation", subject, "--json")[1])["turns"]]
    code, out, _ = doors.remote("conversation", subject, key="deaf")
    assert code == 0
    assert "may not read what was said" in out
    assert not any(text in out for text in spoken if text and len(text) > 20)
    code, out, err = doors.remote("status", key="viewer")
    assert code == 1
    assert "1 failed files that this key may not read" in err
    assert "broken.json.gz" not in out + err
    assert json.loads(doors.remote("status", "--json", key="narrow")[1])["metrics"][0]["key"] == "avg_turn_count"
    narrow = json.loads(doors.remote("status", "--json", key="narrow")[1])
    assert [metric["key"] for metric in narrow["metrics"]] == ["avg_turn_count"]
    assert narrow["rejected"] == narrow["problems"] == narrow["failed_files"] == []
    found = json.loads(doors.remote("catalog", "--json", key="viewer")[1])
    assert {metric["file"] for metric in found} == {None}
    assert [each["key"] for each in json.loads(doors.remote("catalog", "--json", key="narrow")[1])] == [
        "avg_turn_count"
    ]
    assert doors.remote("export", "values", "--metric", "c_turns", key="narrow")[0] == 2


@pytest.mark.parametrize("verb", [["status"], ["catalog"], ["check"], ["conversation", "x"], ["export", "values"]])
def test_a_wrong_key_is_one_line_that_says_what_to_do(doors: Doors, verb: list[str]) -> None:
    for key in ("ms_000000000000_" + "x" * 43, "ms_é", "two\nlines"):
        code, out, err = doors.remote(*verb, key=key)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "key" in err
        assert key not in err


def test_other_refusals_are_one_line(doors: Doors, tmp_path: Path) -> None:
    for arguments, said in (
        (["conversation", "nobody-said-this"], "No conversation has the id"),
        (["export", "values", "--metric", "nothing_like_it"], "No metric has the key"),
        (["check", "no_such_check"], "No check"),
        (["status", "--from", "2020-01-01", "--to", "2021-01-01"], "31 days"),
        (["status", "--workspace", "00000000-0000-4000-8000-000000000009"], "belongs to another one"),
        (["export", "values", "-o", str(tmp_path / "nowhere" / "v.csv")], "There is no folder"),
        (["export", "values", "-o", str(tmp_path)], "Cannot write"),
        (["export", "values", "--json", "--format", "csv"], "leave out one"),
    ):
        code, out, err = doors.remote(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert said in err
    assert doors.local("status", "--workspace", "x")[0] == 2
    assert doors.local("status", "--key", "x")[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_a_busy_server_is_one_line(doors: Doors, project: tuple[Path, str, dict[str, str]]) -> None:
    store = Store(load_settings())
    key = create_key(store, "slow", "viewer", actor="cli", now=datetime.now(UTC), requests_per_minute=1)[1]
    assert doors.remote("catalog", key=key)[0] == 0
    code, _, err = doors.remote("catalog", key=key)
    assert (code, err.count("\n")) == (2, 1)
    assert "429" in err
    assert "Come back in" in err


@pytest.fixture
def answering() -> Iterator[object]:
    """Starts servers that answer every connection with given bytes and close it; None never answers."""
    listeners: list[socket.socket] = []
    held: list[socket.socket] = []

    def start(answer: bytes | None) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                if answer is not None:
                    connection.recv(65536)
                    connection.sendall(answer)
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        return f"http://me:hunter2@127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for each in (*listeners, *held):
        each.close()


PARTS = [
    b"HTTP/1.1 200 OK\r\nX-Row-Count: 2\r\nX-Undated-Count: 0\r\nContent-Length: 100\r\n\r\n{}\n",
    b"HTTP/1.1 200 OK\r\nX-Row-Count: 2\r\nX-Undated-Count: 0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
]


@pytest.mark.parametrize("answer", PARTS, ids=["cut short", "cut short in chunks", "another server"])
def test_a_download_that_breaks_off_leaves_what_was_there(doors: Doors, answering, tmp_path: Path, answer) -> None:
    target = tmp_path / "v.ndjson"
    for before in (None, "old"):
        if before is not None:
            target.write_text(before)
        code, out, err = doors.local("export", "values", "-o", str(target), "--url", answering(answer), "--key", "x")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "Traceback" not in err
        assert "hunter2" not in err
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == (
            [] if before is None else [("v.ndjson", "old")]
        )
    assert doors.local("export", "values", "--url", answering(answer), "--key", "x")[:2] == (2, "")


@pytest.mark.parametrize("verb", [["status"], ["catalog"], ["check"], ["conversation", "x"], ["export", "values"]])
def test_no_answer_is_one_line(
    doors: Doors, answering, verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(f'[silent]\nurl = "{answering(None)}"\ntimeout_seconds = 0.3\nkey = "secret"\n')
    monkeypatch.setenv("METRIC_STORE_PROFILES", str(profiles))
    page = answering(PARTS[2])
    wheres = [["--url", closed], ["--env", "silent"], ["--url", page], ["--url", "nonsense"], ["--url", "http://[::x"]]
    for where in wheres:
        code, out, err = doors.local(*verb, *where)
        assert (code, out, err.count("\n")) == (2, "", 1), (where, err)
        assert "secret" not in err
        assert "hunter2" not in err
        assert "bug" not in err


def test_a_broken_profile_says_so(doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = tmp_path / "profiles.toml"
    monkeypatch.setenv("METRIC_STORE_PROFILES", str(profiles))
    profiles.write_text('[a]\nurl = "http://x"\ntimeout_seconds = "soon"\n')
    assert "timeout_seconds of [a]" in doors.local("status", "--env", "a")[2]


def streaming(megabytes: int) -> str:
    """A server that answers one export of that many megabytes, piece by piece."""
    listener = socket.create_server(("127.0.0.1", 0))
    line = b'{"value": "' + b"x" * 1000 + b'"}\n'
    piece = line * (2**20 // len(line))

    def serve() -> None:
        connection, _ = listener.accept()
        with listener, connection:
            connection.recv(65536)
            length = len(piece) * megabytes
            head = f"HTTP/1.1 200 OK\r\nX-Row-Count: 1\r\nX-Undated-Count: 0\r\nContent-Length: {length}\r\n\r\n"
            connection.sendall(head.encode())
            for _ in range(megabytes):
                connection.sendall(piece)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("target", ["v.ndjson", "-"])
def test_a_large_export_is_not_held_in_memory(tmp_path: Path, target: str) -> None:
    program = (
        "import resource, sys\nfrom pipeline.cli.app import run\ncode = run(sys.argv[1:])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\nsys.exit(code)"
    )

    def peak(megabytes: int) -> float:
        command = [sys.executable, "-c", program, "export", "values", "--url", streaming(megabytes), "-o", target]
        with (tmp_path / "out").open("wb") as out:
            done = subprocess.run(command, cwd=tmp_path, stdout=out, stderr=subprocess.PIPE, text=True, check=True)
        written = tmp_path / ("out" if target == "-" else target)
        assert written.stat().st_size > megabytes * 900_000
        return int(done.stderr.split()[-1]) / 1024

    assert peak(80) - peak(8) < 30, "megabytes; the large one has 72 more"


def test_keys_of_metrics_complete(project: tuple[Path, str, dict[str, str]]) -> None:
    program = "from pipeline.cli import main; main()"
    for words in ("metric-store get c_t", "metric-store export values --metric c_t"):
        environment = {
            **os.environ,
            "_METRIC_STORE_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, cwd=project[0], capture_output=True, text=True
        )
        assert done.stdout.split() == ["c_turns"], done.stderr
