"""Processes that read one store at the same time, each with more than fits into its memory."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from pipeline.settings import Settings
from pipeline.store import Store

# Sorts some 40 MB in 20; two that do so in one folder die of a segmentation fault.
READ = """
import os, signal, sys
from pathlib import Path
from pipeline.settings import Settings
from pipeline.store import Store

settings = Settings(home=Path(sys.argv[1]), threads=1, memory_limit="60MB")
with Store(settings).read() as con:
    for _ in range(2):
        rows = "SELECT md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS s FROM range(600000) AS t (i) ORDER BY s"
        assert con.execute(f"SELECT count(DISTINCT s) FROM ({rows})").fetchall() == [(600000,)]
    if sys.argv[2:] == ["dies"]:
        folder = Path(con.execute("SELECT current_setting('temp_directory')").fetchall()[0][0])
        folder.mkdir(exist_ok=True)
        (folder / "left-behind").write_text("as by a query that was cut off")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def reader(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", READ, str(settings.home), *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def folders(settings: Settings) -> list[Path]:
    return list(settings.home.glob("*.spill/*"))


def test_readers_that_spill_do_not_disturb_each_other(store: Store, settings: Settings) -> None:
    store.publish()
    before = folders(settings)  # of this process
    readers = [reader(settings) for _ in range(2)]
    errors = [each.communicate()[1] for each in readers]
    assert [each.returncode for each in readers] == [0, 0], errors
    assert folders(settings) == before != []


def test_what_a_killed_process_left_is_removed_by_the_next_one(store: Store, settings: Settings) -> None:
    store.publish()
    (ours,) = folders(settings)
    killed = reader(settings, "dies")
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert len(list(settings.home.glob("*.spill/*/*/left-behind"))) == 1
    next_one = reader(settings)
    assert (next_one.communicate()[1], next_one.returncode) == ("", 0)
    assert folders(settings) == [ours], "a live process keeps its own"
