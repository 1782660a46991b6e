"""Settings come from the environment, then the file; what is wrong is named."""

from __future__ import annotations

from contextlib import suppress
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
        ("capp = 3", r"capp: no such setting; did you mean cap\?"),
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
    with pytest.raises(SettingsError, match=r"models\.default\.api_key: no such setting") as caught:
        load_settings()
    assert "sk-secret" not in str(caught.value)


def test_a_mistyped_variable_is_told_and_service_links_are_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("METRIC_STORE_HOEM", "x")
    monkeypatch.setenv("METRIC_STORE_MODELS__DEFAULT__MODLE", "secret-value")
    for name in (
        "SERVICE_HOST",
        "SERVICE_PORT",
        "PORT",
        "PORT_8321_TCP",
        "PORT_8321_TCP_ADDR",
        "API_SERVICE_PORT_HTTP",
    ):
        monkeypatch.setenv(f"METRIC_STORE_{name}", "x")
    monkeypatch.setenv("METRIC_STORE_MODELS__ENDPOINTS__MINE__MODEL", "m")
    with suppress(SettingsError):
        load_settings()
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "The variable METRIC_STORE_HOEM is no setting and is ignored; did you mean METRIC_STORE_HOME?",
        (
            "The variable METRIC_STORE_MODELS__DEFAULT__MODLE is no setting and is ignored; "
            "did you mean METRIC_STORE_MODELS__DEFAULT__MODEL?"
        ),
    ]


def test_what_may_be_a_key_is_not_repeated_and_a_mistyped_setting_has_a_suggestion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("metric-store.toml").write_text('[models.default]\nmodel = "m"\nkey_variable = "sk-abc-def"\nbase_ulr = "x"\n')
    with pytest.raises(SettingsError) as told:
        load_settings()
    assert "sk-abc" not in str(told.value)
    assert "did you mean base_url?" in str(told.value)


def test_an_empty_text_is_a_setting_that_was_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("metric-store.toml").write_text('landing = ""\ndatabase = ""\ncatalog = ""\ndata_path = ""\n')
    settings = load_settings()
    assert (settings.landing, settings.database, settings.catalog, settings.data_path) == (None, None, None, None)


def test_a_home_that_is_a_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("x")
    with pytest.raises(SettingsError, match=r"home.*a file.*note\.txt"):
        load_settings(home=file)
