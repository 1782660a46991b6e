"""Which of the shipped sources takes a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.catalog.catalog import Catalog
from pipeline.ingest.run import mapping_of

DATA_SETS = {"star", "tau2", "tau2_voice", "tau_bench", "primock57", "evi"}
VENDORS_OWN_PATHS = {
    "bucket/Analysis/Voice/2020/02/04/c_analysis_2020-02-04T21:14:16Z.json": "contact_lens",
    "bucket/Analysis/Chat/Redacted/2020/02/04/c_analysis_redacted_2020-02-04T21:14:16Z.json": "contact_lens",
    "vendor-samples/amazon-connect-contact-lens/contact-event.json": "contact_events",
    "vendor-samples/amazon-connect-contact-lens/call-redacted.json": "contact_lens",
    "landing/otlp/traces.jsonl": "opentelemetry",
}


def test_each_source_takes_the_folder_of_its_key_and_nobody_elses(
    shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path: Path
) -> None:
    pipe = new_pipe(tmp_path, shipped_sources)
    folders = {f"landing/{key}/a.json": key for key in shipped_sources.sources.keys() - DATA_SETS}
    for path in (*folders, *VENDORS_OWN_PATHS):
        pipe.write(path, {})
    report = pipe.ingest()
    taken = {str(Path(file.url).relative_to(pipe.folder)): file.source_key for file in report.files}
    assert taken == {**folders, **VENDORS_OWN_PATHS}
    # What has none of a source's shapes is refused, and no event of no conversation.
    assert report.event_count == 0
    assert all(file.rejected_count for file in report.files)
    assert {reason for _, reason in pipe.rejected()} == {"no_rule", "missing_conversation", "missing_document"}


def test_a_folder_above_that_has_the_name_of_a_vendor_claims_nothing(
    shipped_sources: Catalog, new_pipe: Callable[..., Any], tmp_path: Path, turns: Callable[..., Any]
) -> None:
    pipe = new_pipe(tmp_path, shipped_sources)
    pipe.write("azure/metric_store/landing/chats.ndjson", *turns())
    report = pipe.ingest()
    assert [(file.source_key, file.event_count) for file in report.files] == [("canonical", 2)]


def test_data_sets_take_the_folder_of_their_key_too(shipped_sources: Catalog) -> None:
    for key in DATA_SETS:
        found = mapping_of(f"/project/landing/{key}/calls.json", shipped_sources.sources, None)
        assert found is not None
        assert found.key == key
