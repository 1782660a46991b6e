"""Intervals of standard deviations, simulated."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.aggregate.statistics import spread_interval

SAMPLES = {
    "normal": (lambda rng, size: rng.normal(size=size), 1.0, 0.93),
    "uniform": (lambda rng, size: rng.random(size), 12**-0.5, 0.93),
    "exponential": (lambda rng, size: rng.exponential(size=size), 1.0, 0.93),
    "lognormal": (lambda rng, size: rng.lognormal(size=size), np.sqrt((np.e - 1) * np.e), 0.88),
}


def interval(values):
    deviations = values - values.mean(1)[:, None]
    squares = (deviations**2).sum(1)
    n = values.shape[1]
    return spread_interval(squares / (n - 1), (deviations**4).sum(1) / squares**2, np.full(len(values), float(n)))


@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize("name", SAMPLES)
def test_coverage(name, n):
    draw, truth, least = SAMPLES[name]
    low, high, ok = interval(draw(np.random.default_rng([n, 3]), (1000, n)))
    assert least <= ((low <= truth) & (truth <= high))[ok].mean() <= 0.985
    assert ok.mean() > (0.7 if name == "lognormal" else 0.97)
    assert (low < high)[ok].all()


def test_none_without_variance_or_values():
    _, _, ok = spread_interval(np.array([0.0, 1.0, np.nan]), np.array([np.nan, 0.1, 0.03]), np.array([100.0, 30, 100]))
    assert not ok.any()
