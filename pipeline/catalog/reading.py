"""YAML 1.2 to plain values with the line of each, without trusting the file.

Built from parser events rather than by a constructor: no tags, no merge keys, no recursion, and a limit on everything
that grows, so a hostile file costs no more than a large one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from pipeline.catalog.catalog import Problem

MAX_BYTES = 5 * 2**20
MAX_NODES = 50_000
MAX_DEPTH = 32

Place = tuple[str | int, ...]

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,40}|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


@dataclass
class Document:
    """What a file holds; `data` and `lines` are shared between readings and never changed.

    Attributes:
        file: path as the user knows it.
        data: plain values, None when the file cannot be read.
        lines: 1-based line of each value, by its place, for example `("definitions", 2, "key")`.
        problems: what is wrong, with the place of each.
    """

    file: str
    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[tuple[Place, Problem]] = field(default_factory=list)

    def line(self, place: Place) -> int | None:
        """Line of a place, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)

    def report(self, place: Place, found: str, advice: str, line: int | None = None) -> None:
        """Add a problem."""
        problem = Problem(self.file, line or self.line(place), dotted(place), found, advice)
        self.problems.append((place, problem))


def dotted(place: Place) -> str:
    """A place as people write it: `definitions[2].pattern.regex`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.lstrip(".") or "file"


def read_yaml(path: Path) -> Document:
    """Read one file; anything wrong with it is in the document's problems, never an exception."""
    document = Document(shown(path))
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        document.report((), f"a file that cannot be read ({error.strerror})", "check its permissions")
        return document
    if size > MAX_BYTES:
        document.report((), f"{size:,} bytes", f"split it: a file holds at most {MAX_BYTES:,}")
        return document
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x} at offset {error.start}, which is not UTF-8"
        document.report((), found, "save the file as UTF-8", line)
        return document
    parsed = _parse(text)
    document.data, document.lines = parsed.data, parsed.lines
    document.problems = [(place, replace(problem, file=document.file)) for place, problem in parsed.problems]
    return document


def yaml_files(folder: Path) -> list[Path]:
    """YAML files below a folder, in order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml"))


def shown(path: Path) -> str:
    """A path as the user knows it: from the working directory when it is below that."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


@lru_cache(maxsize=256)
def _parse(text: str) -> Document:
    """The document of a YAML text, without a name; a server reads the same files again and again."""
    try:
        return _built(text, pure=False)
    except (YAMLError, ValueError):
        pass  # the reader in C is 25 times as fast, and knows YAML 1.1: what stops it may be right in 1.2
    try:
        return _built(text, pure=True)
    except MarkedYAMLError as error:
        document = Document("")
        mark = error.problem_mark or error.context_mark
        found = " ".join(part for part in (error.context, error.problem) if part) or "text that is not YAML"
        advice = "check indentation, colons and quotes around it"
        document.report((), found, advice, None if mark is None else mark.line + 1)
    except (YAMLError, ValueError, RecursionError) as error:
        document = Document("")
        document.report((), str(error).splitlines()[0] if str(error) else "text that is not YAML", "mend the YAML")
    return document


def _built(text: str, *, pure: bool) -> Document:
    document = Document("")
    builder = _Builder(document)
    for event in YAML(typ="safe", pure=pure).parse(text):
        if not builder.take(event):
            return document
    document.data = builder.root
    return document


@dataclass
class _Open:
    """A mapping or sequence that is being filled."""

    value: dict[str, Any] | list[Any]
    place: Place
    anchor: str | None
    first_node: int
    key: str | None = None


class _Builder:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.root: Any = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.nodes = 0
        self.documents = 0

    def take(self, event: Event) -> bool:
        """Use one event; False when the file is refused and nothing more of it should be read."""
        line = event.start_mark.line + 1 if event.start_mark else None
        match event:
            case DocumentStartEvent():
                self.documents += 1
                return self.documents == 1 or self._refuse("a second YAML document", "write one per file", line)
            case MappingEndEvent() | SequenceEndEvent():
                closed = self.stack.pop()
                if closed.anchor:
                    self.anchors[closed.anchor] = (closed.value, self.nodes - closed.first_node)
                return True
            case AliasEvent():
                if event.anchor not in self.anchors:
                    return self._refuse(f"*{event.anchor}", "name an anchor that is complete before it", line)
                value, size = self.anchors[event.anchor]
                return self._add(value, line, size)
            case ScalarEvent():
                return self._scalar(event, line)
            case MappingStartEvent() | SequenceStartEvent():
                return self._open(event, line)
            case _:
                return True

    def _open(self, event: MappingStartEvent | SequenceStartEvent, line: int | None) -> bool:
        if len(self.stack) >= MAX_DEPTH:
            return self._refuse(f"more than {MAX_DEPTH} levels of nesting", "flatten it", line)
        if event.tag is not None:
            return self._refuse(f"the tag {event.tag}", "remove it; plain values are enough", line)
        if self._wants_key():
            return self._refuse("a mapping or list as a key", "write a plain name", line)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
        place = self._place()
        if not self._add(value, line, 1):
            return False
        self.stack.append(_Open(value, place, event.anchor, self.nodes))
        return True

    def _scalar(self, event: ScalarEvent, line: int | None) -> bool:
        if event.tag is not None:
            return self._refuse(f"the tag {event.tag}", "remove it; use quotes for a text", line)
        text = event.value
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            return self._refuse("a NUL or half a surrogate pair in a text", "remove it", line)
        if self._wants_key():
            top = self.stack[-1]
            if text in top.value:
                place = (*top.place, text)
                first = self.document.lines.get(place)
                found = f"the key {text!r} a second time (first on line {first})"
                self.document.report(place, found, "keep one of them", line)
            top.key = text
            self.document.lines[*top.place, text] = line or 0
            return self._count(1, line)
        value = text if event.style else _plain(text)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        return self._add(value, line, 1)

    def _add(self, value: Any, line: int | None, size: int) -> bool:
        """Put a value where the next one belongs."""
        place = self._place()
        self.document.lines.setdefault(place, line or 0)
        if not self.stack:
            self.root = value
            return self._count(size, line)
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            return self._refuse("an alias as a key", "write a plain name", line)
        else:
            top.value[top.key] = value
            top.key = None
        return self._count(size, line)

    def _place(self) -> Place:
        if not self.stack:
            return ()
        top = self.stack[-1]
        return (*top.place, len(top.value) if isinstance(top.value, list) else top.key or "")

    def _wants_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None

    def _count(self, size: int, line: int | None) -> bool:
        self.nodes += size
        advice = "split the file, and write repeated parts out rather than by alias of alias"
        return self.nodes <= MAX_NODES or self._refuse(f"more than {MAX_NODES:,} values", advice, line)

    def _refuse(self, found: str, advice: str, line: int | None) -> bool:
        self.document.report((), found, advice, line)
        return False


def _plain(text: str) -> Any:
    """An unquoted scalar by YAML 1.2's core schema: `no` and `on` are text, a number of 400 digits is infinite."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        special = text.lower()
        return float(special.replace(".", "") if special.endswith(("inf", "nan")) else text)
    return text
