"""`metric-store serve`: the HTTP API on this machine."""

from __future__ import annotations

import errno
import socket
from typing import Annotated

import typer

from pipeline.cli.console import note
from pipeline.errors import UserError
from pipeline.settings import load_settings

PORT = 8321


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = PORT,
    require_key: Annotated[bool, typer.Option("--require-key", help="Ask for a key on loopback, too.")] = False,
) -> None:
    """Serve what is published over HTTP, until interrupted.

    On a loopback address no key is needed unless --require-key is given; on any other one always is.
    """
    import uvicorn

    from pipeline.api import create_app
    from pipeline.api.server import is_loopback, server_config

    settings = load_settings()
    single_user = is_loopback(host) and not require_key
    if single_user:
        who = "Single-user mode: no key is needed, whoever reaches this address is the owner."
    else:
        who = "A key is needed: `metric-store keys create --role viewer`."
    with _listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        note(f"Serving workspace {settings.workspace_id} at http://{shown}:{port}, described at /docs. {who}")
        uvicorn.Server(server_config(create_app(settings, single_user=single_user))).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    """A socket on the address, before anything is started.

    Raises:
        UserError: the address cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = f"Port {port} of {host} is in use by another program; end it, or choose another with --port."
        else:
            problem = f"Cannot listen on port {port} of {host}: {error.strerror}. Choose another --host or --port."
        raise UserError(problem) from None
