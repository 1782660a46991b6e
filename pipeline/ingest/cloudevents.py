"""CloudEvents 1.0 in the mapping language: what needs no mapping of the user's own."""

from __future__ import annotations

from pipeline.catalog.source_models import SourceMapping

CLOUDEVENTS = SourceMapping.model_validate(
    {
        "key": "cloudevents",
        "description": "CloudEvents 1.0, structured JSON: one event, a batch, or one a line. Ids are unique with their "
        "source; extension attributes carry what the canonical record has beside the specification.",
        "events": [
            {
                "event_id": {"template": "{$.source}#{$.id}"},
                "event_type": "$.type",
                "occurred_at": {"value": "$.time", "if_absent": "refuse"},
                "origin": "$.source",
                # What a connector says of itself belongs to no conversation.
                "conversation_id": {
                    "first": ["$.conversationid", "$.data.conversation_id", "$.subject"],
                    "default": None,
                },
                "sequence": {"path": "$.sequence", "type": "integer", "default": 0},
                "domain": "$.domain",
                "channel": "$.channel",
                "direction": "$.direction",
                "service_id": "$.serviceid",
                "traffic": "$.traffic",
                "run_id": "$.runid",
                "session_id": "$.sessionid",
                "participant": "$.participant",
                "data": {"first": ["$.data", {"object": {"data_base64": "$.data_base64"}}]},
            }
        ],
    }
)
