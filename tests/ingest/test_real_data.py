"""STAR and tau2-bench through the shipped mappings: independent counts, and the same rows however the data arrives."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog

DOMAINS = ("airline", "retail", "telecom")


@pytest.fixture(scope="module")
def star(shared_data: Path, shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path_factory: Any) -> Any:
    pipe = new_pipe(tmp_path_factory.mktemp("star"), shipped_sources)
    pipe.report = pipe.ingest(shared_data / "star" / "dialogues.tar.gz")
    return pipe


@pytest.fixture(scope="module")
def tau2(shared_data: Path, shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path_factory: Any) -> Any:
    pipe = new_pipe(tmp_path_factory.mktemp("tau2"), shipped_sources)
    pipe.report = pipe.ingest(shared_data / "tau2" / "text")
    return pipe


def test_star_has_the_counts_of_its_readme(star: Any) -> None:
    assert star.report.rejected_count == 0
    assert star.rows(
        "SELECT count(*), count(*) FILTER (completion_reason = 'completed'), sum(agent_turn_count),"
        " sum(user_turn_count), sum(tool_call_count), count(*) FILTER (started_at IS NULL) FROM conversations"
    ) == [(3326, 2929, 27113, 27253, 10991, 53)]


def test_star_has_every_event_and_the_levels_of_completion_of_its_readme(star: Any) -> None:
    # The end of a dialogue that broke off and the summaries are no Events of the file.
    assert star.rows("SELECT count(*) - 342 - 55 - 3326 FROM events") == [(125_612,)]
    assert star.rows(
        "SELECT intelligence ->> '$.completion_level' AS level, count(*) FROM conversations GROUP BY ALL ORDER BY level"
    ) == [
        ("Complete", 2929),
        ("DisconnectDuringDialogue", 55),
        ("EarlyDisconnectDuringDialogue", 342),
    ]
    assert star.rows("SELECT count(*) FROM conversations WHERE service_id IS NULL") == [(67,)]


def test_star_results_take_the_instant_of_their_call(star: Any) -> None:
    assert star.rows(
        "SELECT count(*), count(DISTINCT call.event_id) FROM events AS result JOIN events AS call"
        " ON call.conversation_id = result.conversation_id AND call.sequence = result.sequence - 1"
        " WHERE result.event_type = 'tool.result' AND call.occurred_at = result.occurred_at"
    ) == [(10991, 10991)]


def test_star_conversations_without_an_instant_are_settled_when_they_arrive(star: Any) -> None:
    assert star.rows(
        "SELECT DISTINCT ended_at, settled_at = last_arrival_at, event_count"
        " FROM conversations WHERE started_at IS NULL"
    ) == [(None, True, 2)]


def test_star_questionnaires_are_in_the_summary(star: Any) -> None:
    paths = ("calm_and_helpful", "task_done")
    for path in paths:
        ((answered,),) = star.rows(
            "SELECT count(*) FROM conversations WHERE json_type(intelligence, ?) = 'BOOLEAN'",
            f"$.user_questionnaire.{path}",
        )
        assert answered == 2929


def test_tau2_rewards_by_domain(tau2: Any) -> None:
    assert tau2.report.rejected_count == 0
    assert tau2.rows(
        "SELECT service_id, count(*), round(avg((intelligence ->> '$.reward')::DOUBLE), 9), any_value(traffic)"
        " FROM conversations GROUP BY ALL ORDER BY ALL"
    ) == [("airline", 20, 0.5, "simulation"), ("retail", 40, 0.85, "simulation"), ("telecom", 40, 0.45, "simulation")]


def test_tau2_has_an_event_for_every_message_and_its_whole_cost(tau2: Any) -> None:
    assert tau2.rows(
        "SELECT service_id, count(*) FROM events WHERE event_id SIMILAR TO conversation_id || '/[0-9]+'"
        " GROUP BY ALL ORDER BY ALL"
    ) == [("airline", 510), ("retail", 1105), ("telecom", 2238)]
    assert tau2.rows(
        """
        WITH spent AS (
            SELECT
                conversation_id, starts_with(event_type, 'user.') AS by_user,
                sum((data ->> '$.cost_usd')::DOUBLE) AS usd
            FROM events GROUP BY ALL
        )
        SELECT
            count(*),
            max(abs(usd - (intelligence ->> if(by_user, '$.user_cost', '$.agent_cost'))::DOUBLE)) < 1e-9
        FROM spent JOIN conversations USING (conversation_id) WHERE usd IS NOT NULL
        """
    ) == [(200, True)]


def test_tau2_keeps_every_message_and_tool_call(tau2: Any) -> None:
    found = dict(tau2.rows("SELECT event_type, count(*) FROM events GROUP BY ALL"))
    assert found["agent.turn"] == 136 + 290 + 456
    assert found["user.turn"] == 136 + 290 + 456
    assert found["tool.result"] == found["tool.call"] == 148 + 299 + 689
    ((provided, derived),) = tau2.rows(
        "SELECT count(*) FILTER (intelligence ->> '$.provenance.duration_seconds' = 'provided'),"
        " count(*) FILTER (intelligence ->> '$.provenance.tool_summary' = 'derived') FROM conversations"
    )
    assert (provided, derived) == (100, 100)


@pytest.fixture(scope="module")
def dialogues(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every tenth dialogue of STAR as a file of its own."""
    folder = tmp_path_factory.mktemp("some") / "star" / "dialogues"
    folder.mkdir(parents=True)
    with tarfile.open(shared_data / "star" / "dialogues.tar.gz") as archive:
        for number, member in enumerate(archive):
            if member.isfile() and number % 10 == 0:
                packed = archive.extractfile(member)
                assert packed is not None
                (folder / Path(member.name).name).write_bytes(packed.read())
    return sorted(folder.iterdir())


def test_rows_do_not_depend_on_order_repetition_or_number_of_runs(
    dialogues: list[Path], shared_data: Path, shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path: Path
) -> None:
    files = [*dialogues, *(shared_data / "tau2" / "text").iterdir()]
    once = new_pipe(tmp_path / "once", shipped_sources, chunk_records=997)
    report = once.ingest(*files)
    assert report.event_count > 10_000

    again = once.ingest(*files)
    assert (again.files, again.unchanged_count) == ([], len(files))

    other = new_pipe(tmp_path / "other", shipped_sources)
    for part in range(10):
        other.ingest(*reversed(files[part::10]))
    assert other.contents() == once.contents()

    repeated = once.ingest(*_copies(dialogues[:50], tmp_path / "star" / "dialogues"))
    assert repeated.event_count == 0
    assert repeated.duplicate_count == repeated.record_count > 1000
    assert other.contents() == once.contents()


def _copies(files: list[Path], folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    for file in files:
        (folder / file.name).write_bytes(file.read_bytes())
    return sorted(folder.iterdir())
