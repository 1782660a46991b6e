"""The version of a definition: what decides its values, and nothing else, as a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipeline.catalog.models import UNVERSIONED_FIELDS, MetricDefinition


def definition_body(definition: MetricDefinition) -> dict[str, Any]:
    """A definition as JSON values, every field filled in: what the store keeps of a version."""
    return definition.model_dump(mode="json")


def definition_version(
    definition: MetricDefinition, versions: Mapping[str, str] | None = None, code: bytes | None = None
) -> str:
    """SHA-256, in hexadecimal, over the canonical JSON of the fields that can change a value.

    A field that equals its default is left out, so that a field added later changes no existing version.

    Args:
        definition: the definition.
        versions: versions of the metrics that its formula, threshold and gate read, by key.
        code: contents of the file of a `python` metric.
    """
    content = {
        "fields": definition.model_dump(mode="json", exclude=set(UNVERSIONED_FIELDS), exclude_defaults=True),
        "reads": dict(versions or {}),
        "code": None if code is None else hashlib.sha256(code).hexdigest(),
    }
    if _counts_what_is_usable(definition):
        content["counts"] = "usable"
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _counts_what_is_usable(definition: MetricDefinition) -> bool:
    """Whether the values are others than those of the first releases, which stay under the version that they had.

    These counted what they could not use, and held the range of one reading against the sum of all.
    """
    if definition.judged:
        return False
    ranged = definition.valid_range_min is not None or definition.valid_range_max is not None
    return definition.effective_fold == "count" or (definition.effective_fold == "sum" and ranged)
