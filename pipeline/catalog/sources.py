"""Reads the source mappings: one file each, a user's own over a shipped one of the same key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.catalog.catalog import Problem
from pipeline.catalog.explain import explain
from pipeline.catalog.reading import read_yaml, yaml_files
from pipeline.catalog.source_models import SourceMapping


def load_sources(folders: Sequence[Path], problems: list[Problem]) -> dict[str, SourceMapping]:
    """Mappings by key; what is wrong is added to `problems`.

    Args:
        folders: later ones win over earlier ones. The same folder named twice is read once.
        problems: is appended to.
    """
    mappings: dict[str, SourceMapping] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        here: dict[str, str] = {}
        for path in yaml_files(folder):
            document = read_yaml(path)
            problems += [problem for _, problem in document.problems]
            if document.problems:
                continue
            try:
                mapping = SourceMapping.read(document.data, path)
            except ValidationError as error:
                problems += explain(error, SourceMapping, document.data, document)
                continue
            if mapping.key in here:
                document.report(("key",), f"{mapping.key}, as in {here[mapping.key]}", "write another key")
                problems.append(document.problems[-1][1])
                continue
            here[mapping.key] = document.file
            mappings[mapping.key] = mapping
    return mappings
