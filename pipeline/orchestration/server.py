"""The local server: Dagster's webserver, daemon and code server in one process group."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from pipeline.errors import SettingsError
from pipeline.orchestration.instance import only_local_server, prepare_dagster_home
from pipeline.orchestration.reload import WEBSERVER
from pipeline.settings import Settings

WORKSPACE = Path("workspace.yaml")
_GRACE_SECONDS = 10
_POLL_SECONDS = 0.2


def serve(settings: Settings, host: str, port: int, on_ready: Callable[[str], None]) -> int:
    """Run Dagster until it ends or a signal arrives.

    SIGINT and SIGTERM are handed to Dagster, which is killed if it has not stopped within ten seconds. A run that is
    killed loses nothing that it had committed; the next start marks it as failed.

    Args:
        settings: of the deployment.
        host: address to listen on.
        port: 0 takes a free one.
        on_ready: called with the URL once the webserver answers.

    Returns:
        The exit code: 0 after a signal, else Dagster's own.

    Raises:
        SettingsError: the port is taken, or Dagster's folder cannot be written.
    """
    port = _free_port(host, port)
    prepare_dagster_home(settings)
    with only_local_server(settings):
        return _run(host, port, on_ready)


def _run(host: str, port: int, on_ready: Callable[[str], None]) -> int:
    group = subprocess.Popen(  # noqa: S603 - every argument is ours
        _command(host, port),
        env=os.environ | {WEBSERVER: f"{host}:{port}"},
        start_new_session=True,
    )
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:  # asked twice: at once
            _signal_group(group, signal.SIGKILL)
        stopping = True
        group.send_signal(signal.SIGINT)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        _wait_until_up(group, host, port, on_ready)
        while group.poll() is None and not stopping:
            time.sleep(_POLL_SECONDS)
        if stopping:
            _wait(group)
            return 0
        return group.returncode
    finally:
        _signal_group(group, signal.SIGKILL)
        group.wait()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _command(host: str, port: int) -> list[str]:
    target = ["--workspace", str(WORKSPACE)] if WORKSPACE.exists() else ["--module-name", "pipeline.definitions"]
    return [
        sys.executable,
        "-W",
        "ignore::FutureWarning",  # `dagster dev` recommends `dg dev`, which needs another package
        "-m",
        "dagster",
        "dev",
        "--host",
        host,
        "--port",
        str(port),
        "--log-level",
        "warning",
        *target,
    ]


def _free_port(host: str, port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port.") from None
        return int(probe.getsockname()[1])


def _wait_until_up(group: subprocess.Popen[bytes], host: str, port: int, on_ready: Callable[[str], None]) -> None:
    while group.poll() is None:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(_POLL_SECONDS)
        else:
            on_ready(f"http://{host}:{port}")
            return


def _wait(group: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        group.wait(timeout=_GRACE_SECONDS)


def _signal_group(group: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group.pid, number)
