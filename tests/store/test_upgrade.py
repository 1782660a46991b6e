"""A store that an older version wrote, opened by this one."""

from __future__ import annotations

import duckdb
import pytest

from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store import migrations as module
from pipeline.store.control import publish_control
from pipeline.store.file import DatabaseFile
from pipeline.store.snapshot import snapshot_reader
from pipeline.workspace.alarms import Alarm, read_alarms


def test_readers_never_meet_the_columns_of_the_version_before(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was published is published again with the first write, before any run has ended."""
    newer = {name: text for name, text in module.migrations().items() if not name.startswith("01")}
    newer = {name: text for name, text in newer.items() if not name.startswith("description")}
    assert len(newer) > 3
    with monkeypatch.context() as old:
        old.setattr(module, "migrations", lambda: newer)
        old.setattr(DatabaseFile, "publish_control", _publish_as_it_was)
        store = Store(settings)
        publish_control(store)
        store.publish()
    with Store(settings).write("values"):
        pass
    store = Store(settings)
    with store.read() as con:
        assert con.execute("SELECT count(unit_count) FROM metric_periods").fetchall() == [(0,)]
    control = snapshot_reader(settings, "control", {})
    with control.cursor() as (con, _):
        assert con.execute("SELECT count(*) FROM webhook_deliveries").fetchall() == [(0,)]
    control.close()


def _publish_as_it_was(self: DatabaseFile, con: object) -> None:
    with duckdb.connect(str(self._published["control"])) as fresh:
        fresh.execute("CREATE TABLE webhooks (workspace_id VARCHAR)")


def test_thresholds_become_alarms(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule stays in force under its new name, and one that was raised is not told a second time."""
    older = {name: text for name, text in module.migrations().items() if name < "0160"}
    with monkeypatch.context() as old:
        old.setattr(module, "migrations", lambda: older)
        with Store(settings).write() as con:
            con.execute("INSERT INTO thresholds VALUES ('w', 'abc', 'csat', '<', 4, 'day', NULL, now(), 'cli')")
            con.execute("INSERT INTO alarm_states VALUES ('w', 'threshold:abc', true, now())")
            con.execute("INSERT INTO alarm_states VALUES ('w', 'freshness:csat', true, now())")
    with Store(settings).write() as con:
        (alarm,) = read_alarms(con, "w")
        states = con.execute("SELECT alarm FROM alarm_states ORDER BY alarm").fetchall()
    assert alarm == Alarm("csat", "<", 4.0, "day", None, "abc")
    assert states == [("alarm:abc",), ("freshness:csat",)]
