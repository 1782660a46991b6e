"""What a command does not use, it does not load: start-up time, as a list of modules instead of a clock."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
import typer

from pipeline.cli.lazy import VERBS

HEAVY = {"dagster", "openai", "fastapi", "sqlglot", "pyarrow", "numpy", "scipy", "polars", "duckdb", "rich", "pydantic"}
READING = {"dagster", "openai", "fastapi", "sqlglot", "scipy", "polars", "httpx2", "ruamel", "jsonpath_ng", "plotext"}


def loaded_by(*arguments: str, cwd: object = None) -> set[str]:
    program = (
        "import sys\nfrom pipeline.cli.app import run\ncode = run(sys.argv[1:])\n"
        "print('\\n'.join(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=cwd)
    assert "Traceback" not in done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ()])
def test_saying_what_there_is_loads_nothing_heavy(arguments):
    assert not loaded_by(*arguments) & HEAVY


@pytest.mark.parametrize("arguments", [("list",), ("get", "call_count")])
def test_reading_numbers_loads_no_definitions_and_no_model(arguments, tmp_path):
    assert not loaded_by(*arguments, cwd=tmp_path) & READING


def test_the_table_of_verbs_is_what_the_modules_register():
    found = {}
    for module in {module for module, _ in VERBS.values()}:
        app = typer.Typer()
        app.callback()(lambda: None)
        import_module(f"pipeline.cli.{module}").register(app)
        found |= dict.fromkeys(typer.main.get_group(app).commands, module)
    assert found == {verb: module for verb, (module, _) in VERBS.items()}
