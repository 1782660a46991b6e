"""The command line door. `main` is the console script `metric-store`."""

import sys


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    from pipeline.cli.app import run

    sys.exit(run(sys.argv[1:]))
