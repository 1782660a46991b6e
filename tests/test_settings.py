"""Settings come from the environment, then the file; what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import load_settings


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("metric-store.toml").write_text('timezone = "Europe/Berlin"\ncap = 20\n')
    monkeypatch.setenv("METRIC_STORE_CAP", "30")
    settings = load_settings()
    assert (settings.timezone, settings.cap) == ("Europe/Berlin", 30)


def test_the_snapshot_lies_beside_the_database() -> None:
    settings = load_settings(database=Path("there/my.duckdb"))
    assert settings.snapshot_path == Path("there/my.snapshot.duckdb")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('timezone = "Mars/Olympus"', "timezone: Value error, not an IANA time zone"),
        ("cap = 0", "cap: Input should be greater than or equal to 1 \\(found 0\\)"),
        ("capp = 3", "capp: Extra inputs are not permitted"),
        ("cap = ", "metric-store.toml cannot be read"),
        ('workspace_id = "acme"', "workspace_id: String should match pattern"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_found(text: str, said: str) -> None:
    Path("metric-store.toml").write_text(text)
    with pytest.raises(SettingsError, match=said):
        load_settings()


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(cap=0, threads=0)
    assert "cap" in str(caught.value)
    assert "threads" in str(caught.value)


def test_a_key_under_an_unknown_name_is_not_shown() -> None:
    Path("metric-store.toml").write_text('[models.default]\nmodel = "m"\napi_key = "sk-secret"\n')
    with pytest.raises(SettingsError, match=r"models\.default\.api_key: Extra inputs") as caught:
        load_settings()
    assert "sk-secret" not in str(caught.value)
