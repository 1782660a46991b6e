"""The upstream assets: what landed becomes events, and events become conversations with their summaries."""

from collections.abc import Iterator

import dagster as dg

from pipeline.catalog.catalog import Catalog
from pipeline.ingest import ingest
from pipeline.orchestration.instance import POOL
from pipeline.settings import Settings
from pipeline.store import Store
from pipeline.workspace.intake import adopt_intake

EVENTS = dg.AssetKey("conversation_events")
CONVERSATIONS = dg.AssetKey("call_intelligence")
GROUP = "conversations"

_FILES_READ = "files_read"


def build_conversations(
    settings: Settings, catalog: Catalog, hours: dg.HourlyPartitionsDefinition
) -> dg.AssetsDefinition:
    """Both assets in one step, because one function of the core does both.

    They are partitioned only so that a backfill is one run: each materialisation reads whatever has landed by then.
    """

    @dg.multi_asset(
        name="conversations",
        partitions_def=hours,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
        specs=[
            dg.AssetSpec(
                EVENTS,
                group_name=GROUP,
                kinds={"duckdb"},
                description="One row for each thing that happened, from each new or changed file.",
            ),
            dg.AssetSpec(
                CONVERSATIONS,
                deps=[EVENTS],
                group_name=GROUP,
                kinds={"duckdb"},
                description="One row for each conversation: its turns and its call-intelligence summary.",
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                _FILES_READ,
                asset=EVENTS,
                description="Every new file could be read to its end, and most of it was good.",
            )
        ],
    )
    def conversations() -> Iterator[dg.MaterializeResult[None]]:
        adopt_intake(settings)
        report = ingest(Store(settings), catalog, settings)
        yield dg.MaterializeResult(
            asset_key=EVENTS,
            metadata={
                "files": len(report.files),
                "unchanged_files": report.unchanged_count,
                "events": report.event_count,
                "duplicates": report.duplicate_count,
                "rejected": report.rejected_count,
            },
            check_results=[
                dg.AssetCheckResult(
                    asset_key=EVENTS,
                    check_name=_FILES_READ,
                    passed=not report.failed and not report.refusing,
                    metadata={
                        "failed": dg.MetadataValue.json(
                            {file.url: file.failure for file in (*report.failed, *report.refusing)}
                        )
                    },
                )
            ],
        )
        yield dg.MaterializeResult(asset_key=CONVERSATIONS, metadata={"assembled": report.conversation_count})

    return conversations
