"""`python` metrics: the user's function in a process of its own; what goes wrong is a state of one conversation."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pipeline.settings_models import PythonMode


def write(bench: Any, code: str, **fields: Any) -> Any:
    """Define a metric whose file holds this code, and run it over three conversations."""
    folder = bench.settings.definitions / "python"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "m.py").write_text(code)
    base = {"extraction_mode": "python", "python_file": "m.py", "ai_query_prompt": None}
    bench.define(bench.score("coded", **base | {"valid_range_min": None, "valid_range_max": None} | fields))
    if not bench.query("SELECT 1 FROM conversations LIMIT 1"):
        bench.talk(3)
    return bench.run().outcomes[0]


def test_a_function_gives_values(bench: Any) -> None:
    outcome = write(
        bench, "def evaluate(c):\n    return {'value': len(c.turns[0].text.split()), 'reasoning': c.channel or 'none'}"
    )
    assert outcome.states == {"ok": 3}
    assert bench.value("coded")["value_number"] == 11
    assert bench.value("coded")["reasoning"] == "none"
    assert write(bench, "def evaluate(c):\n    return 1\n").states == {"ok": 3}, "new code is a new version"


def test_it_reads_other_metrics(bench: Any, judge: Any) -> None:
    bench.ask(judge)
    bench.talk(3)
    bench.define(bench.score())
    bench.run()
    both = bench.catalog
    write(bench, "def evaluate(c):\n    return c.metrics['empathy'] * 10\n")
    bench.catalog = type(both)((*both.metrics, *bench.catalog.metrics))
    bench.run()
    assert bench.value("coded")["value_number"] == 10 * bench.value("empathy")["value_number"]


OUTCOMES = [
    ("raise ValueError('secret words')", "error", "ValueError in line"),
    ("return 'seven'", "wrong_type", "str"),
    ("return True", "wrong_type", "bool"),
    ("return float('nan')", "wrong_type", "nan"),
    ("return 9.2e124", "out_of_range", "9.2e+124"),
    ("return None", "missing", "None"),
    ("return object()", "error", "TypeError"),
    ("import os; os._exit(3)", "error", "ended with 3"),
    ("import os; os.kill(os.getpid(), 9)", "error", "SIGKILL"),
    ("while True: pass", "error", "longer than 2 s"),
    ("return len(bytearray(10**9))", "error", "MemoryError"),
    ("import socket; socket.create_connection(('127.0.0.1', 9))", "error", "PermissionError"),
    ("import subprocess; subprocess.run(['true'])", "error", "PermissionError"),
    ("open('/tmp/metric-store-test', 'w')", "error", "PermissionError"),
    ("return {'status': 'not_applicable'}", "not_applicable", ""),
    ("print('noise'); return 4", "ok", ""),
]


def test_what_goes_wrong_is_a_state_of_that_conversation_only(bench: Any) -> None:
    limits = PythonMode(timeout_seconds=2, memory_mb=512)
    bench.settings = bench.settings.model_copy(update={"python": limits})
    bench.talk(len(OUTCOMES))
    code = "def evaluate(c):\n    place = int(c.conversation_id[1:])\n"
    code += "".join(f"    if place == {at}:\n        {body}\n" for at, (body, _, _) in enumerate(OUTCOMES))
    outcome = write(bench, code)
    assert outcome.failure is None
    assert outcome.states == Counter(state for _, state, _ in OUTCOMES)
    for at, (_, state, error) in enumerate(OUTCOMES):
        value = bench.value("coded", f"c{at:04}")
        assert value["status"] == state
        assert error in (value["error"] or "")
        assert "secret" not in (value["error"] or "")
        assert value["attempts"] == (state == "error")


def test_cpu_time_is_limited(bench: Any) -> None:
    limits = PythonMode(timeout_seconds=30, cpu_seconds=1)
    bench.settings = bench.settings.model_copy(update={"python": limits})
    code = "def evaluate(c):\n    if '1' not in c.conversation_id:\n        return 5\n    while True: pass\n"
    assert write(bench, code).states == {"ok": 2, "error": 1}
    assert "CPU" in bench.value("coded", "c0001")["error"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def other(c): return 1\n", "no function evaluate"),
        ("import nothing_like_it\n", "ModuleNotFoundError in line 1"),
    ],
)
def test_a_file_that_cannot_be_used_fails_its_metric(bench: Any, code: str, reason: str) -> None:
    outcome = write(bench, code)
    assert reason in outcome.failure
    assert outcome.states == {"error": 3}


def test_keys_in_the_environment_are_not_passed_on(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    write(bench, "import os\ndef evaluate(c):\n    return sum('KEY' in name for name in os.environ)\n")
    assert bench.value("coded")["value_number"] == 0
