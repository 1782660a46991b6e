"""Errors that are too many fail the hour, are tried again, and say why without quoting what was said."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.extract.failures import FEW, readable, too_many
from pipeline.status import read_status
from pipeline.window import HOUR, floor_hour


@pytest.mark.parametrize(
    ("errors", "examined", "most", "failed"),
    [
        (0, 0, 0.05, False),
        (0, 100, 0.0, False),
        (1, 1, 0.05, True),
        (18, FEW - 1, 0.05, False),
        (19, FEW - 1, 0.05, True),
        (1, FEW, 0.05, False),
        (2, FEW, 0.05, True),
        (5, 100, 0.05, False),
        (6, 100, 0.05, True),
        (1, 100, 0.0, True),
        (100, 100, 1.0, False),
    ],
)
def test_when_errors_are_too_many(errors: int, examined: int, most: float, failed: bool) -> None:
    assert too_many(errors, examined, most) is failed


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("m.py: ValueError in line 2.", "m.py: ValueError in line 2"),
        ("Found 'my card is 4111'; no number", "Found …; no number"),
        ("The model's answer\nis malformed.", "The model\u2019s answer is malformed"),
        ("401 for sk-abcdefghijklmnop and Bearer abc", "401 for … and …"),
    ],
)
def test_a_reason_shows_neither_words_nor_keys(reason: str, shown: str) -> None:
    assert readable(reason) == shown


def scorer(bench: Any, body: str) -> None:
    folder = bench.settings.definitions / "python"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scorer.py").write_text(f"def evaluate(conversation):\n    n = int(conversation.conversation_id)\n{body}")
    bench.define_in_files(
        bench.definition("scored", extraction_mode="python", python_file="scorer.py"),
        bench.definition("tenfold", extraction_mode="formula", formula="scored * 10"),
    )


def test_an_hour_with_too_many_errors_fails_and_keeps_its_values(bench: Any) -> None:
    """Of 20, two raise: an hour that is not done. Other code is another version, and its hour is done."""
    scorer(bench, "    if n < 2:\n        raise KeyError('said in private')\n    return n\n")
    bench.add(*(bench.ended(str(n)) for n in range(20)))
    report = bench.run()
    (failed,) = report.failed
    assert (failed.key, failed.states) == ("scored", {"ok": 18, "error": 2})
    assert failed.failure == (
        "2 of 20 conversations ended in an error (10%), 100% of them with: scorer.py: KeyError in line 4."
    )
    assert len([value for value in bench.values("scored").values() if value != "error"]) == 18
    assert bench.values("tenfold")["0"] == "pending"

    bench.store.publish()
    hour = floor_hour(bench.WINDOW.end) - HOUR
    status = {
        metric.key: metric
        for metric in read_status(bench.store, bench.catalog, bench.settings, hour, hour + HOUR).metrics
    }
    assert (status["scored"].failing, status["scored"].last_failure) == ((hour,), failed.failure)
    assert status["scored"].freshness.state == "never_run"
    assert status["tenfold"].done == (hour,)

    bench.settings = bench.settings.model_copy(update={"max_error_share": 0.1})
    assert not bench.run().failed


def test_an_error_is_tried_so_often_and_no_more(bench: Any) -> None:
    """With `error_attempts: 3` the third run is the last that tries; until then what reads the value waits."""
    bench.settings = bench.settings.model_copy(update={"error_attempts": 3})
    scorer(bench, "    raise ValueError\n")
    bench.add(bench.ended("0"))
    tried = []
    for _ in range(5):
        outcome = next(each for each in bench.run().outcomes if each.key == "scored")
        ((attempts,),) = bench.sql("SELECT attempts FROM metric_values WHERE metric_key = 'scored'")
        tried.append((outcome.computed, attempts, bench.values("tenfold")["0"], outcome.failure is not None))
    assert tried == [
        (1, 1, "pending", True),
        (1, 2, "pending", True),
        (1, 3, "missing", True),
        (0, 3, "missing", True),
        (0, 3, "missing", True),
    ]


def test_a_python_metric_reads_what_a_turn_carries(bench: Any) -> None:
    scorer(
        bench, "    return conversation.turns[n].data['offset_ms'] + conversation['turns'][0]['data']['offset_ms']\n"
    )
    bench.add(
        bench.event("1", "user.turn", 0, text="a", offset_ms=500),
        bench.event("1", "user.turn", 1, text="b", offset_ms=700),
        bench.event("1", "session.end", 2),
    )
    bench.run()
    assert bench.values("scored") == {"1": 1200.0}


def test_words_are_counted_only_where_every_turn_has_some(bench: Any) -> None:
    """A turn without text has words that nobody knows, so the count of the conversation is not known either."""
    bench.define(
        *(
            bench.definition(name, extract_path=f"$.conversation_summary.{name}")
            for name in ("word_count", "agent_word_count", "user_word_count")
        )
    )
    bench.add(
        bench.said("all", ("user", "one two"), ("agent", "three four five")),
        bench.event("gap", "user.turn", 0, text="one two"),
        bench.event("gap", "agent.turn", 1),
        bench.event("gap", "session.end", 2),
    )
    bench.run()
    assert bench.values("word_count") == {"all": 5, "gap": "missing"}
    assert bench.values("agent_word_count") == {"all": 3, "gap": "missing"}
    assert bench.values("user_word_count") == {"all": 2, "gap": 2}
