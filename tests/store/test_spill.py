"""Processes that read one store at the same time, each with more than fits into its memory."""

from __future__ import annotations

import subprocess
import sys

from pipeline.settings import Settings
from pipeline.store import Store

# Sorts some 40 MB in 20; two that do so in one folder die of a segmentation fault.
READ = """
import sys
from pathlib import Path
from pipeline.settings import Settings
from pipeline.store import Store

settings = Settings(home=Path(sys.argv[1]), threads=1, memory_limit="60MB")
with Store(settings).read() as con:
    for _ in range(2):
        rows = "SELECT md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS s FROM range(600000) AS t (i) ORDER BY s"
        assert con.execute(f"SELECT count(DISTINCT s) FROM ({rows})").fetchall() == [(600000,)]
"""


def test_readers_that_spill_do_not_disturb_each_other(store: Store, settings: Settings) -> None:
    store.publish()
    readers = [
        subprocess.Popen([sys.executable, "-c", READ, str(settings.home)], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [reader.communicate()[1] for reader in readers]
    assert [reader.returncode for reader in readers] == [0, 0], errors
    assert not list(settings.home.glob("*.spill"))
