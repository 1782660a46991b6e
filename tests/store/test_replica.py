"""A replicated file is the source, byte by byte, and whoever has an older generation open keeps that."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.store.replica import replicate

PIECE = 64 * 2**10


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "live"
    path.write_bytes(bytes(range(256)) * 2**14)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "snapshot"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.lists(st.sampled_from(b"ab"), max_size=4), st.binary(max_size=5)), min_size=3, max_size=6))
def test_the_target_is_the_source_whatever_it_was_before(contents: list[tuple[list[int], bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "live"), Path(folder, "snapshot")
        for pieces, tail in contents:
            source.write_bytes(b"".join(bytes([piece]) * PIECE for piece in pieces) + tail)
            replicate(source, target)
            assert target.read_bytes() == source.read_bytes()


def written() -> int:
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["wchar"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")
def test_only_what_differs_from_the_generation_before_the_last_is_written(source: Path, target: Path) -> None:
    for _ in range(2):
        replicate(source, target)
    with source.open("r+b") as file:
        file.seek(3 * PIECE + 10)
        file.write(b"changed")
        file.seek(0, 2)
        file.write(b"added")
    before = written()
    replicate(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert written() - before <= 3 * PIECE


Read = Callable[[], bytes]


@contextmanager
def opened(path: Path) -> Iterator[Read]:
    with path.open("rb") as file:
        yield lambda: os.pread(file.fileno(), 2**30, 0)


@contextmanager
def mapped(path: Path) -> Iterator[Read]:
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    with pages:
        yield lambda: pages[:]


@contextmanager
def linked(path: Path) -> Iterator[Read]:
    link = path.with_name("backup")
    link.hardlink_to(path)
    yield link.read_bytes


@pytest.mark.parametrize("holder", [opened, mapped, linked])
def test_who_holds_an_old_generation_keeps_it(
    source: Path, target: Path, holder: Callable[[Path], AbstractContextManager[Read]]
) -> None:
    replicate(source, target)
    old = source.read_bytes()
    with holder(target) as read:
        for number in range(4):
            source.write_bytes(bytes([number]) * len(old))
            replicate(source, target)
            assert read() == old
            assert target.read_bytes() == source.read_bytes()


def test_what_a_killed_process_left_behind_does_no_harm(source: Path, target: Path) -> None:
    replicate(source, target)
    leftover = target.with_name(f"{target.name}.1.2.tmp")
    leftover.write_bytes(b"half")
    spare = target.with_name(f"{target.name}.spare")
    spare.unlink(missing_ok=True)
    spare.hardlink_to(target)  # killed between the two names that replacing changes
    old = target.stat().st_ino
    with target.open("rb") as reader:
        source.write_bytes(b"later")
        replicate(source, target)
        assert len(reader.read()) > 5
    assert target.stat().st_ino != old
    assert target.read_bytes() == b"later"
    assert not leftover.exists()


def test_generations_differ_though_the_content_does_not(source: Path, target: Path) -> None:
    found = set()
    for _ in range(6):
        replicate(source, target)
        found.add((target.stat().st_ino, target.stat().st_mtime_ns))
    assert len(found) == 6
