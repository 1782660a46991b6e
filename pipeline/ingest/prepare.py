"""Brings documents of telemetry and of model logs to one form before the rules of a mapping see them."""

from __future__ import annotations

from typing import Any

from pipeline.ingest.call_logs import calls_of_agents, calls_of_langfuse, is_logged_call, logged_call
from pipeline.ingest.model_calls import Call, Memory
from pipeline.ingest.refusal import RefusedError
from pipeline.ingest.telemetry import calls_of_logs, calls_of_spans


class Preparer:
    """Adds `model_events` to the documents of one file, in their order; it remembers what was said before.

    A document of another kind stays as it is.
    """

    def __init__(self) -> None:
        self._memory = Memory()

    def __call__(self, document: Any) -> Any:
        """The document as the rules read it.

        Raises:
            RefusedError: it looks like one of these kinds, and is not built as they are.
        """
        try:
            return self._prepared(document)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise RefusedError(
                "not_understood", f"a field of it is of another type than its format has: {type(error).__name__}"
            ) from None

    def _prepared(self, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        if "resourceSpans" in document:
            calls, others = calls_of_spans(document)
            return {"model_events": self._events(calls), "other_spans": others}
        if "resourceLogs" in document:
            return {**document, "model_events": self._events(calls_of_logs(document))}
        if is_logged_call(document):
            return {**document, "model_events": self._events([logged_call(document)])}
        if isinstance(document.get("observations"), list):
            kept = {name: document[name] for name in ("scores", "id", "sessionId", "timestamp") if name in document}
            return {**kept, "model_events": self._events(calls_of_langfuse(document))}
        data = document.get("data")
        if isinstance(data, list) and any(isinstance(one, dict) and one.get("object") == "trace.span" for one in data):
            return {"model_events": self._events(calls_of_agents(document))}
        return document

    def _events(self, calls: list[Call]) -> list[dict[str, Any]]:
        return list(self._memory.events(calls))
