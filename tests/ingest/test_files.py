"""Which files are read, when again, and what a file that cannot be read costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pipeline.errors import DefinitionError, SourceError
from pipeline.ingest import ingest
from pipeline.ingest.files import without_credentials
from pipeline.settings import Settings
from pipeline.store import Store


def test_a_file_is_read_once_and_again_when_it_changed(pipe: Any, turns: Any) -> None:
    events = turns(texts=("a", "b", "c"))
    path = pipe.write("a.ndjson", *events[:2])
    assert pipe.ingest().event_count == 2
    report = pipe.ingest()
    assert (report.files, report.unchanged_count, report.conversation_count) == ([], 1, 0)

    pipe.write("a.ndjson", *events)
    os.utime(path, (1, 1))
    report = pipe.ingest()
    assert (report.event_count, report.duplicate_count, report.conversation_count) == (1, 2, 1)
    assert pipe.rows("SELECT status, record_count, event_count FROM ingested_files ORDER BY record_count") == [
        ("done", 2, 2),
        ("done", 3, 1),
    ]


def test_hidden_and_unfinished_files_are_left_alone(pipe: Any, turns: Any) -> None:
    for name in (".hidden.ndjson", "a.ndjson.tmp", "b.ndjson.partial", ".git/c.ndjson", "d.ndjson~"):
        pipe.write(name, *turns())
    assert pipe.ingest().files == []


def test_a_file_that_no_mapping_claims_fails_alone_and_is_tried_again(pipe: Any, turns: Any) -> None:
    pipe.write("a.json", {"transcript": ["hello"]})
    pipe.write("b.ndjson", *turns())
    report = pipe.ingest()
    assert [file.status for file in report.files] == ["failed", "done"]
    assert "no source mapping claims or recognises it" in str(report.failed[0].failure)
    assert report.event_count == 2

    mapping = {
        "events": [{"each": "$.transcript[*]", "event_type": "user.turn", "occurred_at": None, "data": {"text": "$"}}]
    }
    assert pipe.ingest(pipe.folder / "a.json", mapping=mapping).event_count == 1
    assert pipe.rows("SELECT status FROM ingested_files") == [("done",), ("done",)]


def test_what_is_no_data_is_skipped_with_a_row(pipe: Any, turns: Any) -> None:
    pipe.write("README.md", "About these files.")
    pipe.write("a.ndjson", *turns())
    assert pipe.ingest().event_count == 2
    assert pipe.rows("SELECT status, failure FROM ingested_files WHERE status <> 'done'") == [
        ("skipped", "not JSON, NDJSON, CSV, TSV, Parquet or TextGrid")
    ]
    assert pipe.ingest().unchanged_count == 2


def test_an_empty_file_is_done_with_nothing(pipe: Any) -> None:
    for name in ("a.ndjson", "b.json", "c.csv", "d"):
        (pipe.folder / name).touch()
    report = pipe.ingest()
    assert {file.status for file in report.files} == {"done"}
    assert report.record_count == 0


def test_links_that_lead_back_end_and_broken_ones_are_reported(pipe: Any, turns: Any) -> None:
    pipe.write("sub/a.ndjson", *turns())
    (pipe.folder / "sub" / "loop").symlink_to(pipe.folder, target_is_directory=True)
    (pipe.folder / "broken.ndjson").symlink_to(pipe.folder / "absent.ndjson")
    report = pipe.ingest()
    assert report.event_count == 2
    assert ["broken link" in str(file.failure) for file in report.failed] == [True]


def test_a_pipe_is_not_waited_for(pipe: Any) -> None:
    os.mkfifo(pipe.folder / "a.ndjson")
    assert [file.failure for file in pipe.ingest().files] == ["not a regular file"]


def test_a_file_that_disappears_before_it_is_read(pipe: Any, turns: Any) -> None:
    pipe.write("a.ndjson", *turns("c1"))
    doomed = pipe.write("b.ndjson", *turns("c2"))
    small = Settings(**{**pipe.settings.model_dump(), "chunk_records": 1})
    report = ingest(
        pipe.store, pipe.catalog, small, urls=[str(pipe.folder)], on_progress=lambda _: doomed.unlink(missing_ok=True)
    )
    assert [(file.status, file.failure) for file in report.files] == [
        ("done", None),
        ("failed", "it disappeared before it was read to its end"),
    ]
    assert pipe.rows("SELECT DISTINCT conversation_id FROM events") == [("c1",)]


def test_a_file_that_changes_while_it_is_read_is_read_again(pipe: Any, turns: Any) -> None:
    events = turns(texts=tuple("abcdef"))
    path = pipe.write("a.ndjson", *events[:4])
    small = Settings(**{**pipe.settings.model_dump(), "chunk_records": 2})
    written = []

    def append_once(_: object) -> None:
        if not written:
            written.append(True)
            with path.open("a") as stream:
                stream.writelines(json.dumps(event) + "\n" for event in events[4:])

    report = ingest(pipe.store, pipe.catalog, small, urls=[str(path)], on_progress=append_once)
    assert "changed while it was read" in str(report.files[0].failure)
    pipe.ingest()
    assert pipe.rows("SELECT count(*) FROM events") == [(6,)]
    assert pipe.rows("SELECT status FROM ingested_files") == [("done",)]


def test_a_missing_folder_says_what_to_do(pipe: Any) -> None:
    with pytest.raises(SourceError, match=r"Nothing is at .*absent.*METRIC_STORE_LANDING"):
        pipe.ingest(pipe.folder / "absent")


def test_the_default_landing_folder_is_made(settings: Settings, store: Store, pipe: Any) -> None:
    assert ingest(store, pipe.catalog, settings).files == []
    assert Path(settings.landing_url).is_dir()


def test_an_unknown_source_names_the_known_ones(pipe: Any, shipped_sources: Any) -> None:
    with pytest.raises(DefinitionError, match=r"No source mapping has the key 'nope'. Known: .*star"):
        ingest(pipe.store, shipped_sources, pipe.settings, urls=[str(pipe.folder)], source="nope")


AS_NOBODY = """
    import os, sys
    from pathlib import Path
    from pipeline.catalog.catalog import Catalog
    from pipeline.errors import SourceError
    from pipeline.ingest import ingest
    from pipeline.settings import Settings
    from pipeline.store import Store
    home, landing = Path(sys.argv[1]), sys.argv[2]
    warm = Settings(home=home / "warm")
    ingest(Store(warm), Catalog(), warm)  # imports what another user may not be able to read
    if os.getuid() == 0:
        os.setuid(65534)
    settings = Settings(home=home / "store")
    try:
        for file in ingest(Store(settings), Catalog(), settings, urls=[landing]).files:
            print(Path(file.url).name, file.status, file.failure)
    except SourceError as error:
        print("SourceError:", error)
"""


def _as_nobody(home: Path, landing: Path) -> str:
    home.mkdir()
    home.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(AS_NOBODY), str(home), str(landing)],
        capture_output=True, text=True, timeout=60, cwd="/",
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_landing_folder_without_permission(new_pipe: Any, turns: Any, open_folder: Path) -> None:
    pipe = new_pipe(open_folder)
    pipe.write("a.ndjson", *turns())
    pipe.folder.chmod(0o000)
    try:
        assert f"SourceError: No permission to read {pipe.folder}" in _as_nobody(open_folder / "nobody", pipe.folder)
    finally:
        pipe.folder.chmod(0o755)


def test_a_file_and_a_subfolder_without_permission_fail_alone(new_pipe: Any, turns: Any, open_folder: Path) -> None:
    pipe = new_pipe(open_folder)
    pipe.write("a.ndjson", *turns("c1"))
    secret = pipe.write("b.ndjson", *turns("c2"))
    closed = pipe.write("sub/c.ndjson", *turns("c3")).parent
    secret.chmod(0o000)
    closed.chmod(0o000)
    try:
        output = _as_nobody(open_folder / "nobody", pipe.folder)
    finally:
        secret.chmod(0o644)
        closed.chmod(0o755)
    assert output.splitlines() == [
        "a.ndjson done None",
        "b.ndjson failed no permission to read it",
        "sub failed cannot be listed: Permission denied",
    ]


def test_any_fsspec_url(pipe: Any, turns: Any) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/day/a.ndjson", b"\n".join(json.dumps(event).encode() for event in turns()))
    memory.pipe("/bucket/.hidden/b.ndjson", b"{}")
    try:
        assert pipe.ingest("memory://bucket").event_count == 2
        assert pipe.ingest("memory://bucket").unchanged_count == 1
        assert pipe.rows("SELECT url FROM ingested_files") == [("memory:///bucket/day/a.ndjson",)]
        memory.pipe("/bucket/day/a.ndjson", json.dumps(turns("c2")[0]).encode())
        assert pipe.ingest("memory://bucket").event_count == 1
    finally:
        memory.rm("/bucket", recursive=True)


def test_credentials_in_a_url_reach_neither_the_store_nor_a_message() -> None:
    shown = without_credentials("https://user:secret@host:8443/a/b.ndjson?X-Signature=secret")
    assert "secret" not in shown
    assert shown.startswith("https://host:8443/a/b.ndjson")
    other = without_credentials("https://user:secret@host:8443/a/b.ndjson?X-Signature=other")
    assert other != shown


class ForeignError(Exception):
    """What a library raises that derives its errors from nothing of Python's."""


class FailingFileSystem(MemoryFileSystem):
    """Breaks as HTTP does: with a class of its own, and the signed URL in the message."""

    def _open(self, path: str, *args: Any, **options: Any) -> Any:
        if path.endswith("bad.ndjson") and options["mode"] == "rb":
            raise ForeignError("403, url='https://host/bad.ndjson?signature=secret'")
        return super()._open(path, *args, **options)


def test_a_remote_file_whose_library_has_errors_of_its_own_fails_alone(pipe: Any, turns: Any) -> None:
    fsspec.register_implementation("memory", FailingFileSystem, clobber=True)
    memory = fsspec.filesystem("memory")
    try:
        for name in ("bad", "good"):
            memory.pipe(f"/foreign/{name}.ndjson", b"\n".join(json.dumps(turn).encode() for turn in turns("a")))
        report = pipe.ingest("memory://foreign")
    finally:
        memory.rm("/foreign", recursive=True)
        fsspec.register_implementation("memory", MemoryFileSystem, clobber=True)
    assert [file.failure for file in report.files] == ["it cannot be read: ForeignError", None]
    assert report.event_count == len(turns("a"))
