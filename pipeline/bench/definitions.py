"""Deterministic definitions, as many as a stage wants, of every kind that a user writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from pipeline.catalog import Catalog, load_catalog
from pipeline.settings import Settings

_FIELDS = ("engine_ms", "duration_ms", "audio_ttfb_ms", "stt_confidence", "sentiment")
_FOLDS = ("avg", "max", "min", "sum", "median", "p95")
_AGGREGATIONS = ("avg", "sum", "max", "p95", "median")
PATTERNS = (
    "invoice|order",
    r"twenty (percent|euros)",
    "technician|router",
    "(cancel|contract) (my|this|the)",
    "very sorry",
    r"thank (you|for)",
    "birth",
    r"pass(word|code)",
    "to(day|morrow)",
    "insurance card",
    r"(street|house) \w+",
    "how (much|long)",
    "problem again",
    r"connect(ion)?",
    "somebody",
    "Monday",
    r"press \w+ button",
    "(new|another) device",
    "hold the line",
    "waiting (long|very)",
)
"""Regular expressions that find something in the vocabulary of the data."""


def deterministic(number: int) -> list[dict[str, Any]]:
    """So many definitions: a path in turns, a pattern, a threshold on the path and a formula of both, by turns."""
    return [_definition(at) for at in range(number)]


def _definition(at: int) -> dict[str, Any]:
    base: dict[str, Any] = {
        "key": f"bench_{at}",
        "name": f"Benchmark {at}",
        "metric_type": "numerical",
        "source": "call_intelligence",
        "event_types": ["call_intelligence.row"],
        "aggregation": _AGGREGATIONS[at // 4 % len(_AGGREGATIONS)],
    }
    path, pattern = f"bench_{at - at % 4}", f"bench_{at - at % 4 + 1}"
    match at % 4:
        case 0:
            scope = {"scope": "turn", "participant_role": ("agent", "user")[at // 4 % 2]}
            fold = _FOLDS[at // 4 % len(_FOLDS)]
            return base | scope | {"extract_path": f"$.{_FIELDS[at // 4 % len(_FIELDS)]}", "fold": fold}
        case 1:
            regex = PATTERNS[at // 4 % len(PATTERNS)]
            return base | {"extraction_mode": "pattern", "pattern": {"regex": regex, "result": "count"}}
        case 2:
            threshold = {"metric": path, "operator": ">", "value": 0.5}
            over = {"metric_type": "boolean", "aggregation": "rate", "extraction_mode": "threshold"}
            return base | over | {"threshold": threshold}
        case _:
            return base | {"extraction_mode": "formula", "formula": f"{path} / ({pattern} + 1)"}


def catalog_of(settings: Settings, total: int) -> Catalog:
    """Write definitions into the user's folder until so many metrics are active, built-ins included.

    Args:
        settings: whose folder of definitions is written, and `max_custom_metrics` is high enough.
        total: active metrics.
    """
    shipped = len(load_catalog(settings).active)
    write_definitions(settings.definitions, deterministic(max(total - shipped, 0)))
    return load_catalog(settings)


def write_definitions(folder: Path, definitions: list[dict[str, Any]]) -> None:
    """Write definitions where a user's stand. JSON is YAML."""
    file = folder / "metrics" / "custom" / "bench.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps({"definitions": definitions}))
