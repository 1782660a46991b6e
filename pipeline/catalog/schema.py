"""JSON Schema of the YAML files, with which editors complete and check them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from pipeline.catalog.models import DefinitionFile
from pipeline.catalog.source_models import SourceMapping


def definition_schema() -> dict[str, Any]:
    """Schema of a file of metric definitions."""
    return _schema(DefinitionFile, "metric-store definitions")


def source_schema() -> dict[str, Any]:
    """Schema of a source mapping."""
    return _schema(SourceMapping, "metric-store source mapping")


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema = model.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
