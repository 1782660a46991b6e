"""One decision on the interval's end."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.aggregate.statistics import decide


@pytest.mark.parametrize(
    ("low", "high", "n", "direction", "decision"),
    [
        (0.11, 0.2, 50, "above", "breach"),
        (0.1, 0.2, 50, "above", "undecided"),
        (0.05, 0.2, 50, "above", "undecided"),
        (0.05, 0.1, 50, "above", "ok"),
        (0.02, 0.09, 50, "below", "breach"),
        (0.05, 0.2, 50, "below", "undecided"),
        (0.1, 0.2, 50, "below", "ok"),
        (0.11, 0.2, 19, "above", "undecided"),
        (np.nan, np.nan, 50, "above", "undecided"),
        (0.2, 0.2, 50, "above", "breach"),  # an exact number
    ],
)
def test_decision(low, high, n, direction, decision):
    found = decide(np.array([low]), np.array([high]), np.array([n]), np.array([0.1]), direction, min_n=20)
    assert found.tolist() == [decision]
