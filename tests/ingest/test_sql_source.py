"""Sources whose events a SELECT beside the mapping makes: joins, reference files, and what it may not do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.catalog import Catalog
from pipeline.catalog.source_models import SourceMapping
from pipeline.errors import SourceError
from pipeline.ingest.sql_source import Given, records_by_sql

SQL = """
SELECT
    concat(r.record ->> 'call', '/', r.position) AS event_id,
    r.record ->> 'call' AS conversation_id,
    if(agents.name IS NULL, 'user.turn', 'agent.turn') AS event_type,
    (head.record ->> 'start')::TIMESTAMPTZ + to_seconds((r.record ->> 'at')::INTEGER) AS occurred_at,
    agents.name AS participant,
    {'text': r.record ->> 'text'} AS data,
    r.place
FROM records AS r
JOIN records AS head ON (head.record ->> 'kind') = 'head' AND (head.record ->> 'call') = (r.record ->> 'call')
LEFT JOIN 'agents.csv' AS agents ON agents.id = (r.record ->> 'who')
WHERE (r.record ->> 'kind') = 'line'
ORDER BY r.position
"""
LINES = [
    {"kind": "head", "call": "c1", "start": "2026-03-02T09:00:00Z"},
    {"kind": "line", "call": "c1", "who": "a7", "at": 1, "text": "Hello"},
    {"kind": "line", "call": "c1", "who": "x", "at": 3, "text": "Hi"},
]


def _source(folder: Path, sql: str) -> SourceMapping:
    (folder / "mine.sql").write_text(sql)
    (folder / "agents.csv").write_text("id,name\na7,Ada\n")
    return SourceMapping.read({"key": "mine", "files": ["*/in/*"], "sql": "mine.sql"}, folder / "mine.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "sources"
    made.mkdir()
    return made


def test_records_are_joined_with_each_other_and_with_a_reference_file(pipe: Any, folder: Path) -> None:
    """The start stands in one line, the words in others, the names in a file beside the SQL."""
    pipe.catalog = Catalog(sources={"mine": _source(folder, SQL)})
    pipe.write("a.ndjson", *LINES, '{"torn": ')
    report = pipe.ingest()
    assert (report.event_count, report.rejected_count) == (2, 1)
    assert pipe.rejected() == [("line 4", "not_json")]
    assert pipe.rows(
        "SELECT event_type, participant, strftime(occurred_at, '%H:%M:%S'), data->>'text' FROM events ORDER BY 3"
    ) == [
        ("agent.turn", "Ada", "09:00:01", "Hello"),
        ("user.turn", None, "09:00:03", "Hi"),
    ]


def test_its_rows_are_refused_as_canonical_records_are(pipe: Any, folder: Path) -> None:
    """With the place that it gives."""
    pipe.catalog = Catalog(
        sources={
            "mine": _source(folder, "SELECT 'x' AS event_type, record ->> 'at' AS occurred_at, place FROM records")
        }
    )
    pipe.write("a.ndjson", {"at": "2026-03-02T09:00:00Z"}, {"at": "soon"})
    assert pipe.ingest().event_count == 1
    assert pipe.rejected() == [("line 2", "bad_time")]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 'x' AS event_type", "must give event_type and occurred_at"),
        ("SELECT 'x' AS event_type, NULL AS occurred_at, 1 AS speaker", "gives speaker"),
        ("SELECT 1; SELECT 2", "must be one SELECT"),
        ("COPY records TO 'out.csv'", "must be one SELECT"),
        ("SELECT nonsense FROM records", "nonsense"),
        ("SELECT 'x' AS event_type, content AS occurred_at FROM read_text('/etc/hostname')", "/etc/hostname"),
        ("SELECT 'x' AS event_type, NULL AS occurred_at FROM read_csv('https://example.org/a.csv')", "disabled"),
        ("SELECT 'x' AS event_type, NULL AS occurred_at FROM read_text('../../secret.txt')", "secret"),
        ("SELECT error('hello secret words') AS event_type, NULL AS occurred_at", "failed: InvalidInput"),
        ("SELEC", "mine.sql"),
    ],
)
def test_what_it_may_not_do(folder: Path, sql: str, message: str) -> None:
    """It reads its records and the files beside it; errors of data do not repeat the data."""
    (folder.parent / "secret.txt").write_text("s")
    with pytest.raises(SourceError, match=message) as raised:
        list(records_by_sql(_source(folder, sql), [Given("line 1", None, {"a": 1})]))
    assert "hello secret words" not in str(raised.value)


def test_it_is_stopped(folder: Path) -> None:
    """A SELECT without an end ends all the same."""
    endless = "SELECT 'x' AS event_type, NULL AS occurred_at "
    endless += "FROM range(1000000000) a, range(1000000) b WHERE a.range + b.range < 0"
    with pytest.raises(SourceError, match="took more than"):
        list(records_by_sql(_source(folder, endless), [], seconds=0.5))


@pytest.mark.parametrize("name", ["../mine.sql", "/etc/mine.sql", "missing.sql"])
def test_the_file_stands_beside_the_mapping(folder: Path, name: str) -> None:
    """Any other is refused when the mapping is read, or when it is used."""

    def used() -> None:
        list(records_by_sql(SourceMapping.read({"key": "mine", "sql": name}, folder / "mine.yaml"), []))

    with pytest.raises((SourceError, ValueError), match=r"mine|missing|pattern"):
        used()


def test_a_mapping_has_rules_or_sql() -> None:
    """Not both, and not neither."""
    with pytest.raises(ValueError, match="both or neither"):
        SourceMapping.model_validate({"key": "mine"})
