"""Which settings there are, so that a mistyped one is told instead of ignored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

PREFIX = "METRIC_STORE_"
OTHERS = frozenset(
    PREFIX + name
    for name in (
        *("URL", "KEY", "PROFILES", "TEST_DATA"),
        *("API_LISTEN", "CODE_SERVER", "DAGSTER_LISTEN", "IMAGE", "PROJECT", "WEBSERVER"),
    )
)
"""Variables that are no settings: of the client, of the tests, and of the files of a deployment."""

_SERVICE_LINK = re.compile(r"METRIC_STORE_(.*_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
"""What Kubernetes sets in each container for a service whose name begins with `metric-store`."""


def unknown_variables(settings: type[BaseModel], environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like settings and are none, each with how the sentence about it ends.

    Args:
        settings: all settings.
        environ: the environment.
    """
    known = {PREFIX + "__".join(path).upper(): path for path in setting_paths(settings)}
    found = {}
    for name in sorted(environ):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in OTHERS or _SERVICE_LINK.fullmatch(upper):
            continue
        if any(_fits(upper, each, path) for each, path in known.items()):
            continue
        near = get_close_matches(upper, [each for each in known if "*" not in each], 1)
        found[name] = f"; did you mean {near[0]}?" if near else "."
    return found


def did_you_mean(settings: type[BaseModel], place: Sequence[str]) -> str:
    """A suggestion for a setting that does not exist, or nothing."""
    siblings = [path[len(place) - 1] for path in setting_paths(settings) if len(path) >= len(place)]
    near = get_close_matches(place[-1], sorted(set(siblings)), 1)
    return f"; did you mean {near[0]}?" if near else ""


def setting_paths(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """The path of every setting and of every group; `*` stands for a name of the user's own."""
    for name, field in model.model_fields.items():
        yield (name,)
        for inner in _models(field.annotation):
            own = ("*",) if _is_mapping(field.annotation) else ()
            yield from ((name, *own, *path) for path in setting_paths(inner))


def _fits(variable: str, known: str, path: Sequence[str]) -> bool:
    if "*" not in path:
        return variable == known
    return re.fullmatch(re.escape(known).replace(r"\*", r"\w+?"), variable) is not None


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _is_mapping(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is dict or any(map(_is_mapping, get_args(annotation)))
