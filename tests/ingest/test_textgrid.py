"""Praat TextGrids in both text forms, whatever was said in them, and what is no TextGrid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.refusal import RefusedError
from pipeline.ingest.textgrid import parse_textgrid

TIMES = st.floats(min_value=0, max_value=1e5, allow_nan=False)
WORDS = st.text(alphabet=st.characters(codec="utf-8")) | st.sampled_from(
    ['intervals [2]:\n xmin = 1\n text = "no"', "item [1]:", '"', "<exists>", "! no comment", "7.5", "<UNIN/>"]
)
INTERVAL = st.builds(lambda xmin, xmax, text: {"xmin": xmin, "xmax": xmax, "text": text}, TIMES, TIMES, WORDS)
POINT = st.builds(lambda number, mark: {"number": number, "mark": mark}, TIMES, WORDS)
TIERS = st.lists(
    st.tuples(st.just("IntervalTier"), WORDS, st.lists(INTERVAL))
    | st.tuples(st.just("TextTier"), WORDS, st.lists(POINT)),
    max_size=3,
)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _long(tiers: list[Any]) -> str:
    """As Praat saves a text file."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0 ", "xmax = 9.5 "]
    lines += ["tiers? <exists> ", f"size = {len(tiers)} ", "item []: "]
    for number, (kind, name, entries) in enumerate(tiers, start=1):
        items = "intervals" if kind == "IntervalTier" else "points"
        lines += [f"    item [{number}]:", f"        class = {_quoted(kind)} ", f"        name = {_quoted(name)} "]
        lines += ["        xmin = 0 ", "        xmax = 9.5 ", f"        {items}: size = {len(entries)} "]
        for place, entry in enumerate(entries, start=1):
            lines.append(f"        {items} [{place}]:")
            lines += [
                f"            {key} = {_quoted(v) if isinstance(v, str) else repr(v)} " for key, v in entry.items()
            ]
    return "\n".join(lines) + "\n"


def _short(tiers: list[Any]) -> str:
    """As Praat saves a short text file."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "9.5", "<exists>", str(len(tiers))]
    for kind, name, entries in tiers:
        lines += [_quoted(kind), _quoted(name), "0", "9.5", str(len(entries))]
        lines += [
            _quoted(value) if isinstance(value, str) else repr(value) for entry in entries for value in entry.values()
        ]
    return "\n".join(lines) + "\n"


@given(TIERS, st.sampled_from([_long, _short]), st.sampled_from(["utf-8", "utf-16"]))
def test_every_form_gives_back_what_was_written(tiers: list[Any], write: Any, encoding: str) -> None:
    grid = parse_textgrid(write(tiers).encode(encoding))
    assert (grid["xmin"], grid["xmax"]) == (0, 9.5)
    read = [(tier["class"], tier["name"], tier.get("intervals", tier.get("points"))) for tier in grid["tiers"]]
    assert read == tiers


def test_comments_and_windows_line_ends_are_passed_over() -> None:
    text = _long([("IntervalTier", "Speaker", [{"xmin": 0.0, "xmax": 1.5, "text": "Yes!"}])])
    text = text.replace("xmin = 0 \n", "xmin = 0 ! the 1st of 2 times\n", 1).replace("\n", "\r\n")
    assert parse_textgrid(text.encode())["tiers"][0]["intervals"] == [{"xmin": 0.0, "xmax": 1.5, "text": "Yes!"}]


def test_a_grid_may_have_no_tiers() -> None:
    text = 'File type = "ooTextFile"\nObject class = "TextGrid"\nxmin = 0\nxmax = 1\ntiers? <absent>\n'
    assert parse_textgrid(text.encode())["tiers"] == []


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda text: text.replace("TextGrid", "PitchTier"), "it does not begin with"),
        (lambda text: text[: text.index("Hello") + 3], "left open"),
        (lambda text: text[: text.index("intervals [1]")], "where a number should be; is the file complete?"),
        (lambda text: text.replace("size = 1 \n", "size = 1.5 \n", 1), "where a count should be"),
        (
            lambda text: text.replace("intervals: size = 1", "intervals: size = 900000000000"),
            "where a number should be",
        ),
        (lambda text: text.replace("IntervalTier", "Formant"), "a tier of class 'Formant'"),
        (lambda text: text.replace("xmax = 1.5", "xmax = 1e999"), "where a number should be"),
    ],
    ids=["class", "quote", "end", "count", "more", "tier", "infinite"],
)
def test_what_is_no_whole_textgrid_is_refused(pipe: Any, change: Any, detail: str) -> None:
    text = _long([("IntervalTier", "Speaker", [{"xmin": 0.0, "xmax": 1.5, "text": "Hello"}])])
    (pipe.folder / "a.TextGrid").write_text(change(text))
    rule = {"event_type": "grid", "occurred_at": None, "data": "$"}
    assert pipe.ingest(mapping={"events": [rule]}).rejected_count == 1
    ((reason, found),) = pipe.rows("SELECT reason, detail FROM rejected_records")
    assert reason == "not_textgrid"
    assert detail in found


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(RefusedError, match="neither UTF-8 nor UTF-16 at byte 2"):
        parse_textgrid(b'"o\xff"')


def test_recognised_by_content_without_its_ending(pipe: Any) -> None:
    (pipe.folder / "speech").write_text(_short([("TextTier", "bell", [{"number": 2.5, "mark": "ring"}])]), "utf-16")
    rule = {"each": "$.tiers[*].points[*]", "event_type": "bell", "occurred_at": None, "data": "$"}
    assert pipe.ingest(mapping={"events": [rule]}).rejected_count == 0
    assert pipe.rows("SELECT data ->> '$.mark' FROM events") == [("ring",)]
