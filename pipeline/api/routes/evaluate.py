"""One metric about one conversation, now; nothing is stored."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.api.auth import ServiceOf, Viewer
from pipeline.api.errors import READ_ERRORS
from pipeline.api.models.values import MetricEvaluateRequest, MetricEvaluateResponse
from pipeline.api.problems import ErrorResponse
from pipeline.api.routes.parameters import MetricKey, check_labels, visible_metric
from pipeline.api.routing import workspace_router
from pipeline.api.rows import conversation_value
from pipeline.errors import EvaluationFailedError, UnknownConversationError
from pipeline.extract.on_demand import Evaluation, evaluate_now
from pipeline.reports.conversations import read_conversation

router = workspace_router("metrics")


@router.post(
    "/metrics/{metric_key}/evaluate",
    operation_id="evaluate-metric",
    responses={
        **READ_ERRORS,
        404: {"description": "No such metric, or no such conversation in the snapshot.", "model": ErrorResponse},
        502: {"description": "The model was asked and gave no usable answer; try again.", "model": ErrorResponse},
        503: {"description": "No model is configured, or nothing has been published.", "model": ErrorResponse},
    },
)
def evaluate_metric(
    metric_key: MetricKey, caller: Viewer, service: ServiceOf, body: MetricEvaluateRequest
) -> MetricEvaluateResponse:
    """Try a judged or python metric on one conversation without waiting for the next run.

    An answer that a run has already paid for is shown again; any other asks the model. `as_of` before the
    conversation's last event is 404: what it looked like then is not kept. Other modes need no evaluation: 422.
    """
    metric = visible_metric(service, caller, metric_key)
    check_labels(caller, metric)
    with service.data.cursor() as (con, _):
        row = read_conversation(con, caller.workspace_id, body.subject_id)
    if body.as_of is not None and row["last_arrival_at"] > body.as_of:
        raise UnknownConversationError(
            f"The conversation changed after {body.as_of.isoformat()}; what it looked like then is not kept."
        )
    store = service.store_of(caller.workspace_id)
    catalog = service.control.catalog(caller.workspace_id)
    (found,) = evaluate_now(store, catalog, service.settings, metric.key, [row["conversation_id"]])
    if found.status == "error":
        why = f" ({found.error})" if caller.transcripts else ""  # it may quote the model, which may quote the call
        raise EvaluationFailedError(f"The model gave no usable answer about this conversation{why}.")
    now = datetime.now(UTC)
    value = conversation_value(
        {
            "metric_key": metric.key,
            "status": found.status,
            **_columns(found),
            "observed_at": row["started_at"],
            "computed_at": now,
            "traffic": row["traffic"],
            "entity_type": "conversation",
            "entity_id": row["conversation_id"],
            "service_id": row["service_id"],
            "conversation_run_id": row["run_id"],
            "session_id": row["session_id"],
            "confidence": found.confidence,
            "definition_version": metric.version,
        },
        metric.definition.metric_type,
        metric.definition.unit,
        service.settings.zone,
    )
    quotes = list(found.evidence.get("quotes", ()))
    return MetricEvaluateResponse.model_validate(
        {
            "metric": value,
            "evaluated_at": now,
            "status": found.status,
            "reasoning": found.reasoning if caller.transcripts else None,
            "evidence": quotes if caller.transcripts else None,
        }
    )


def _columns(found: Evaluation) -> dict[str, object]:
    """The value in the column of its type, as a stored one has it."""
    columns: dict[str, object] = dict.fromkeys(("value_number", "value_text", "value_boolean", "value_list"))
    value = found.value
    if isinstance(value, bool):
        columns["value_boolean"] = value
    elif isinstance(value, int | float):
        columns["value_number"] = float(value)
    elif isinstance(value, str):
        columns["value_text"] = value
    elif value is not None:
        columns["value_list"] = list(value)
    return columns
