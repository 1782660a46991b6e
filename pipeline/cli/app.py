"""The command `metric-store`: its verbs, and how an ending becomes an exit code.

Exit codes: 0 done; 1 something failed (a metric, a file); 2 the user can mend it (arguments, settings, definitions);
3 a bug; 130 interrupted; 141 the reader of standard output went away.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from pipeline import __version__
from pipeline.cli.lazy import LazyGroup
from pipeline.errors import UserError

FAILED, USER_ERROR, INTERNAL_ERROR, INTERRUPTED = 1, 2, 3, 130
BROKEN_PIPE = 141

app = typer.Typer(
    name="metric-store",
    cls=LazyGroup,
    rich_markup_mode=None,  # plain help: Rich's costs a fifth of a second
    help="Define a metric once, in YAML; every hour get a number about every conversation that you can defend.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False
) -> None:
    """Show the version, if that is asked for."""
    if version:
        typer.echo(__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        The exit code. What went wrong is on standard error, in one line unless it is a bug.
    """
    if list(arguments) == ["--version"]:  # parsing even this costs Typer a fifth of a second
        print(__version__)  # noqa: T201
        return 0
    warnings = _Warnings()
    logging.getLogger("pipeline").addHandler(warnings)
    try:
        if list(arguments[:1]) == ["run"]:
            from pipeline.cli.project import refuse_no_project

            refuse_no_project(arguments)
        code = _chosen(arguments)(args=list(arguments) or ["--help"], prog_name="metric-store", standalone_mode=False)
        sys.stdout.flush()
    except UserError as error:
        _complain(str(error))
        return USER_ERROR
    except typer.TyperException as error:
        _complain(f"{error.format_message()} See `metric-store --help`.")
        return USER_ERROR
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter's own flush complains
        return BROKEN_PIPE
    except Exception as error:  # the last boundary; a bug is shown in full
        traceback.print_exc()
        _complain(f"This is a bug ({type(error).__name__}); please report it with the lines above.")
        return INTERNAL_ERROR
    finally:
        logging.getLogger("pipeline").removeHandler(warnings)
    return _interrupted() if code == INTERRUPTED else int(code or 0)


class _Warnings(logging.Handler):
    """What the core warns about, each message once; 48 hours of the same warning are one line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message unless it was printed."""
        from pipeline.cli.console import note

        message = record.getMessage()
        if message not in self._said:
            self._said.add(message)
            note(message)


def _chosen(arguments: Sequence[str]) -> typer.Typer:
    """The commands, or for verbs that are others on a server, those, where the arguments name one."""
    if {argument.partition("=")[0] for argument in arguments}.isdisjoint({"--url", "--env", "--key"}):
        return app
    from pipeline.cli import remote, server

    server.refuse_half_an_address(arguments)
    return remote.app if remote.wanted(arguments) else app


def _complain(text: str) -> None:
    from pipeline.cli.console import complain  # tables and colours are not needed to say the version

    complain(text)


def _interrupted() -> int:
    _complain("Interrupted. What was committed is kept; run the same command again to continue.")
    return INTERRUPTED
