"""Documents that look like telemetry and are not: each is refused or passed over, and its neighbours are read."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.prepare import Preparer
from pipeline.ingest.refusal import RefusedError

_NAMES = st.sampled_from(
    [
        "resourceSpans",
        "scopeSpans",
        "spans",
        "attributes",
        "key",
        "value",
        "stringValue",
        "request",
        "response",
        "messages",
        "input",
        "usage",
        "choices",
        "content",
        "role",
        "tool_calls",
        "function",
        "parts",
        "type",
        "id",
        "observations",
        "data",
        "span_data",
        "object",
        "error",
        "metadata",
    ]
)
_VALUES = st.recursive(
    st.none() | st.integers() | st.sampled_from(["user", "assistant", "tool", "text", "trace.span", "[", "GENERATION"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(document=_VALUES)
def test_whatever_a_document_holds_it_ends_in_events_or_a_refusal(document: Any) -> None:
    """No document may stop the run."""
    with suppress(RefusedError):
        Preparer()(document)


@pytest.mark.parametrize("usage", ["many", 3, [1]])
def test_a_strange_field_costs_one_line(usage: object) -> None:
    """The reason names the kind of the fault, and no word of the document."""
    line = {
        "request": {"messages": [{"role": "user", "content": "secret"}]},
        "response": {"choices": [], "usage": usage},
    }
    with pytest.raises(RefusedError, match=r"AttributeError|TypeError") as refused:
        Preparer()(line)
    assert "secret" not in refused.value.detail
