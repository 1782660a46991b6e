"""A PostgreSQL server of the tests' own: made, started and thrown away."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`: Debian's newest, else whatever is on the PATH."""
    for version in sorted(_DEBIAN.glob("*"), key=lambda path: float(path.name), reverse=True):
        if (version / "bin" / "initdb").exists():
            return version / "bin"
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextmanager
def running(binaries: Path, *, fsync: bool = False) -> Iterator[str]:
    """A server on a free port of this machine; gives its URL, without a database.

    Without `fsync`, commits survive the death of any process, though not that of the machine.
    """
    folder = Path(tempfile.mkdtemp(prefix="metric-store-postgres-"))
    user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses root
        user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(folder / "data")

    def call(program: str, *arguments: str) -> None:
        command = [*user, str(binaries / program), "-D", data, *arguments]
        # A server that inherits a pipe would keep it open.
        subprocess.run(command, check=True, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    try:
        call("initdb", "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        options += "" if fsync else " -c fsync=off"
        call("pg_ctl", "-l", str(folder / "log"), "-o", options, "-w", "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}"
        finally:
            call("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
