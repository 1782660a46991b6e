"""The settings of models that the documentation shows are settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.settings import load_settings

README = Path(__file__).parents[2] / "definitions" / "README.md"


def test_the_documented_models_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = README.read_text(encoding="utf-8").partition("\n## Models\n")[2]
    (example,) = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    (tmp_path / "metric-store.toml").write_text(example, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    models = load_settings().models
    balanced, fast, legal = models.endpoint("balanced"), models.endpoint("fast"), models.endpoint("max", "legal")
    assert balanced is models.default
    assert balanced
    assert fast
    assert legal
    assert (balanced.max_concurrency, fast.model, legal.key_variable) == (64, "qwen3-8b", "LEGAL_API_KEY")
    assert models.budget.usd_per_day == 40.0
    assert models.redaction.fields == ("caller_name",)
