"""Instants and lengths of time in all the ways that the standards allow, in canonical files and in mapped ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pipeline.ingest.clock import read_duration

INSTANTS = {
    "2026-03-02T09:00Z": "2026-03-02 09:00:00",
    "2026-03-02t09:00:00z": "2026-03-02 09:00:00",
    "2026-03-02 09:00:00+00": "2026-03-02 09:00:00",
    "2026-03-02T09:00:00,25Z": "2026-03-02 09:00:00.25",
    "2026-03-02T09:00:00.1234567891Z": "2026-03-02 09:00:00.123456",
    "2026-03-02T10:00+0100": "2026-03-02 09:00:00",
    "20260302T090000Z": "2026-03-02 09:00:00",
    "2026-03-02T23:59:60Z": "2026-03-03 00:00:00",
    "2026-03-02T23:59:60.5Z": "2026-03-03 00:00:00.5",
    "2026-03-02T24:00Z": "2026-03-03 00:00:00",
    "2026-W10-1T09:00:00Z": "2026-03-02 09:00:00",
}
NO_INSTANTS = [
    "2026-03-02",
    "09:00",
    "2026-02-30T09:00Z",
    "2026-03-02T09:60Z",
    "2026-03-02T09:00:61Z",
    "now",
    "20260302",
]


@pytest.mark.parametrize("through", ["canonical", "mapped"])
def test_every_way_to_write_an_instant_is_read(pipe: Any, through: str) -> None:
    """Both doors agree on what an instant is."""
    pipe.write(
        "a.ndjson",
        *(
            {"event_id": f"e{at}", "conversation_id": "c", "event_type": "agent.turn", "occurred_at": text}
            for at, text in enumerate([*INSTANTS, *NO_INSTANTS])
        ),
    )
    rule = {
        "event_type": "agent.turn",
        "event_id": "$.event_id",
        "conversation_id": "c",
        "occurred_at": "$.occurred_at",
    }
    report = pipe.ingest(mapping={"events": [rule]} if through == "mapped" else None)
    found = pipe.rows("SELECT strftime(occurred_at, '%Y-%m-%d %H:%M:%S.%f') FROM events ORDER BY event_id[2:]::INTEGER")
    assert [text for (text,) in found] == [
        f"{wanted}{'' if '.' in wanted else '.'}".ljust(26, "0") for wanted in INSTANTS.values()
    ]
    assert report.rejected_count == len(NO_INSTANTS)
    assert {reason for _, reason in pipe.rejected()} == {"bad_time"}


def test_a_local_time_that_clocks_leap_over_is_refused(pipe: Any) -> None:
    """On 29 March 2026 no clock in Berlin shows 02:30; one in the autumn shows it twice, and the first is taken."""
    pipe.write("a.ndjson", *({"at": at} for at in ("2026-03-29T02:30", "2026-03-29T03:00", "2026-10-25T02:30")))
    pipe.ingest(
        mapping={
            "zone": "Europe/Berlin",
            "events": [{"event_type": "x", "conversation_id": "c", "occurred_at": "$.at"}],
        }
    )
    assert pipe.rejected() == [("line 1", "bad_time")]
    found = pipe.rows("SELECT strftime(occurred_at, '%m-%d %H:%M') FROM events ORDER BY occurred_at")
    assert found == [("03-29 01:00",), ("10-25 00:30",)]


def test_lengths_are_read_where_they_are_added_and_as_values(pipe: Any) -> None:
    """A length that names its own units needs no `plus_unit`."""
    texts = ["00:03:21", "3:21", "PT3M21S", "201", 201]
    pipe.write("a.ndjson", *({"length": text} for text in texts), {"length": "3 minutes"})
    rule = {
        "event_type": "x",
        "conversation_id": "c",
        "event_id": {"template": "{$file.name}{$.length}"},
        "occurred_at": {"value": "2026-03-02T09:00Z", "plus": "$.length"},
        "data": {"seconds": {"path": "$.length", "type": "duration"}},
    }
    pipe.ingest(mapping={"events": [{**rule, "event_id": {"hash": ["$.length"]}}]})
    found = pipe.rows("SELECT strftime(occurred_at, '%H:%M:%S'), (data->>'seconds')::DOUBLE FROM events")
    assert found == [("09:03:21", 201.0)] * len(texts)
    assert pipe.rejected() == [("line 6", "bad_time")]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("P1DT2H", 93600),
        ("P1W", 604800),
        ("PT1.5S", "1.5"),
        ("-00:00:01", -1),
        ("100:00:00", 360000),
        ("1:30,5", "90.5"),
    ],
)
def test_lengths(text: str, seconds: Any) -> None:
    """All in seconds."""
    assert read_duration(text) == Decimal(seconds)


@pytest.mark.parametrize("text", ["", "P", "PT", "P1M", "P1Y", "P1DT", "00:99:00", "00:00:60", "1:2", "12", "soon"])
def test_what_is_no_length(text: str) -> None:
    """Months differ in length, and a bare number has no unit."""
    with pytest.raises(ValueError, match=f"^{text}$"):
        read_duration(text)
