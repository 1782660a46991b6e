"""Everything at once, as a file that is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, BinaryIO

from fastapi import Query
from fastapi.responses import StreamingResponse

from pipeline.aggregate.queries import Traffic
from pipeline.api.auth import ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS
from pipeline.api.moments import Moment
from pipeline.api.routes.parameters import ShortId, check_range, visible_metric
from pipeline.api.routing import workspace_router
from pipeline.reports.export import Format, Kind, write_export
from pipeline.reports.readable import MEASURES, fixed_labels

router = workspace_router("exports")

_MEDIA: dict[Format, str] = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
}
_CHUNK = 2**18


@router.get(
    "/exports/{kind}",
    operation_id="export",
    response_class=StreamingResponse,
    responses={
        **READ_ERRORS,
        200: {
            "description": "The file.",
            "content": {name.partition(";")[0]: {"schema": {"type": "string"}} for name in _MEDIA.values()},
        },
    },
)
def export(
    kind: Kind,
    caller: Viewer,
    service: ServiceOf,
    file_format: Annotated[Format, Query(alias="format")] = "ndjson",
    metric_key: Annotated[list[ShortId] | None, Query(max_length=100, description="Only these metrics.")] = None,
    source: Annotated[Traffic, Query()] = "production",
    service_id: Annotated[ShortId | None, Query(description="Default: every service.")] = None,
    date_from: Annotated[Moment | None, Query(description="Started at or after.")] = None,
    date_to: Annotated[Moment | None, Query(description="Started before.")] = None,
) -> StreamingResponse:
    """All conversations with their metrics, all values, or all period rows, from one publication.

    `conversations` has a row for each: `metrics` maps a metric to its value, or to a list of values; a metric without
    one is absent there, and `metric_status` says why. In `periods`, `service_id` is null on the rows over all services.
    Reasoning, evidence and errors are in `values` only for keys that may read transcripts. A range leaves out what has
    no instant; the header `X-Undated-Count` says how many rows, `X-Row-Count` how many the file has.
    """
    check_range(date_from, date_to)
    keys = caller.metric_list
    if metric_key is not None:
        keys = [visible_metric(service, caller, key).key for key in metric_key]
    rights = service.rights(caller)
    hidden = () if caller.metrics is None else [name for name in MEASURES if name not in rights.measures]
    labels = None
    if not caller.transcripts:
        labels = [f"{key}@{version}" for key, version in fixed_labels(service.control.catalog(caller.workspace_id))]
    with service.exporting() as con, TemporaryDirectory() as folder:
        file = Path(folder) / kind
        exported = write_export(
            con,
            caller.workspace_id,
            kind,
            file_format,
            file,
            keys=keys,
            transcripts=caller.transcripts,
            labels=labels,
            hidden=hidden,
            traffic=source,
            service_id=service_id,
            date_from=date_from,
            date_to=date_to,
        )
        written = file.open("rb")  # stays readable when the folder is gone, and nobody has to remove it
    headers = {
        "Content-Disposition": f'attachment; filename="{kind}.{file_format}"',
        "X-Row-Count": str(exported.rows),
        "X-Undated-Count": str(exported.undated),
    }
    return StreamingResponse(_chunks(written), media_type=_MEDIA[file_format], headers=headers)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
