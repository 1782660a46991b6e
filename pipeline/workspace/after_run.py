"""What follows a run that was published: programs that asked for it are told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pipeline.catalog import Catalog
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.store.control import publish_control
from pipeline.store.snapshot import snapshot_reader
from pipeline.workspace.alarms import announce_run, watch
from pipeline.workspace.webhooks import deliver, read_webhooks


def tell(settings: Settings, store: Store, catalog: Catalog, run_ids: Iterable[str], now: datetime) -> int:
    """Announce finished runs, check alarms, and send what is due. Costs nothing without a webhook.

    Args:
        settings: of the deployment.
        store: published already.
        catalog: that the runs used.
        run_ids: of the runs.
        now: the instant of the messages.

    Returns:
        How many messages were delivered; those that failed are tried again later.
    """
    if not store.is_published("control"):
        publish_control(store)
    control = snapshot_reader(settings, "control", {"threads": 1})
    try:
        with control.cursor() as (con, _):
            if not read_webhooks(con, store.workspace_id):
                return 0
            with store.read() as data:
                for run_id in run_ids:
                    announce_run(store, data, store.workspace_id, run_id, now)
                watch(store, catalog, data, con, store.workspace_id, now)
        return deliver(settings, store, control, now=now)
    finally:
        control.close()
