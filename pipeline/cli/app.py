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
from pipeline.cli import (
    bench,
    check,
    define,
    definitions,
    evaluate,
    export,
    keys,
    project,
    read,
    remote,
    serve,
    status,
    upkeep,
    work,
)
from pipeline.cli.console import BROKEN_PIPE, Warnings, complain, emit
from pipeline.errors import UserError

FAILED, USER_ERROR, INTERNAL_ERROR, INTERRUPTED = 1, 2, 3, 130

app = typer.Typer(
    name="metric-store",
    help="Define a metric once, in YAML; every hour get a number about every conversation that you can defend.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for module in (project, work, read, check, export, status, definitions, define, evaluate, serve, keys, upkeep, bench):
    module.register(app)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False
) -> None:
    """Show the help when no command is given."""
    if version:
        emit(__version__)
    elif context.invoked_subcommand is None:
        emit(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        The exit code. What went wrong is on standard error, in one line unless it is a bug.
    """
    warnings = Warnings()
    logging.getLogger("pipeline").addHandler(warnings)
    try:
        remote.refuse_half_an_address(arguments)
        project.refuse_no_project(arguments)
        chosen = remote.app if remote.wanted(arguments) else app
        code = chosen(args=list(arguments), prog_name="metric-store", standalone_mode=False)
        sys.stdout.flush()
    except UserError as error:
        complain(str(error))
        return USER_ERROR
    except typer.TyperException as error:
        complain(f"{error.format_message()} See `metric-store --help`.")
        return USER_ERROR
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter's own flush complains
        return BROKEN_PIPE
    except Exception as error:  # the last boundary; a bug is shown in full
        traceback.print_exc()
        complain(f"This is a bug ({type(error).__name__}); please report it with the lines above.")
        return INTERNAL_ERROR
    finally:
        logging.getLogger("pipeline").removeHandler(warnings)
    return _interrupted() if code == INTERRUPTED else int(code or 0)


def _interrupted() -> int:
    complain("Interrupted. What was committed is kept; run the same command again to continue.")
    return INTERRUPTED
