"""Opens what records are packed in: compression and archives. Everything streams; nothing is written to a path."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from pipeline.errors import MetricStoreError, SourceError

_BUFFER = 1 << 16
_ZIP = b"PK\x03\x04"
_TAR = b"ustar"  # at offset 257
_MAX_HEADER = 1 << 20  # of a tar member's name and attributes, which tarfile reads into memory

UNREADABLE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)
"""What the standard library raises for damaged, encrypted or unknown packing (gzip and bz2 raise OSError)."""


@contextmanager
def foreign_errors() -> Iterator[None]:
    """Turn what no one listed into a SourceError: libraries of file systems and formats raise classes of their own.

    Their message is not repeated, since it may hold a signed URL.
    """
    try:
        yield
    except (MetricStoreError, OSError, *UNREADABLE):
        raise
    except Exception as error:  # one bad file must not cost the run
        raise SourceError(f"it cannot be read: {type(error).__name__}") from None


@dataclass(frozen=True)
class Member:
    """One stream of records: a plain or compressed file, or a member of an archive.

    Attributes:
        name: name inside the archive; None when the file is not an archive.
        stem: name without the ending of its compression, in lower case.
        problem: why this member cannot be read; its neighbours can.
    """

    name: str | None
    stem: str
    stream: io.BufferedReader | None
    problem: str | None = None


def open_members(stream: IO[bytes], name: str) -> Iterator[Member]:
    """The streams of records in a file, one after the other; each must be read before the next is asked for.

    Raises:
        SourceError: the archive is damaged; what was read before that is good.
    """
    buffered = io.BufferedReader(_Raw(stream), _BUFFER)
    try:
        if buffered.peek(4)[:4] == _ZIP:
            yield from _zip(stream)
            return
        opened, stem = _decompressed(buffered, name)
        head = opened.peek(512)
        if head[257:262] == _TAR:
            yield from _tar(opened)
        elif head[:4] == _ZIP:
            raise SourceError("a zip archive that is compressed again is not opened; unpack it once")
        else:
            yield Member(None, stem, opened)
    except UNREADABLE as error:
        raise SourceError(f"the file is damaged: {message(error)}") from None


def _decompressed(buffered: io.BufferedReader[Any], name: str) -> tuple[io.BufferedReader, str]:
    """The plain stream and the name without the ending. Recognised by content, since endings lie."""
    head = buffered.peek(6)[:6]
    stem = name.lower()
    for magic, endings, opener in _COMPRESSIONS:
        if head.startswith(magic):
            ending = next((ending for ending in endings if stem.endswith(ending)), "")
            return io.BufferedReader(_Raw(opener(buffered)), _BUFFER), stem.removesuffix(ending)
    return buffered, stem


def _zstd(buffered: IO[bytes]) -> Any:
    import pyarrow as pa  # the standard library has it from Python 3.14

    return pa.CompressedInputStream(pa.PythonFile(buffered, mode="r"), "zstd")


_COMPRESSIONS: tuple[tuple[bytes, tuple[str, ...], Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", (".gz", ".gzip"), gzip.open),
    (b"BZh", (".bz2",), bz2.open),
    (b"\xfd7zXZ\x00", (".xz",), lzma.open),
    (b"\x28\xb5\x2f\xfd", (".zst", ".zstd"), _zstd),
)


class _Raw(io.RawIOBase):
    """Any object with `read(n)` as a raw stream, so that it can be buffered and peeked into."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


class _CheckedHeader(tarfile.TarInfo):
    """Says so where tarfile would read a header of any size into memory, or take a damaged one for the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Any:
        try:
            return super().fromtarfile(archive)
        except (tarfile.TruncatedHeaderError, tarfile.InvalidHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"{error} at byte {archive.offset}") from None

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        special = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)
        if self.type in (*special, tarfile.SOLARIS_XHDTYPE) and self.size > _MAX_HEADER:
            raise tarfile.ReadError(f"a member header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


def _tar(stream: io.BufferedReader) -> Iterator[Member]:
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_CheckedHeader) as archive:
        for info in archive:
            archive.members = []  # type: ignore[attr-defined] # tarfile would remember every member
            if info.isfile() and (packed := archive.extractfile(info)) is not None:
                yield _member(packed, info.name)


def _zip(stream: IO[bytes]) -> Iterator[Member]:
    stream.seek(0)
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            try:
                with archive.open(info) as packed:
                    yield _member(packed, info.filename)
            except UNREADABLE as error:
                yield Member(info.filename, info.filename.lower(), None, f"cannot be read: {message(error)}")


def _member(packed: IO[bytes], name: str) -> Member:
    stream, stem = _decompressed(io.BufferedReader(_Raw(packed), _BUFFER), name)
    head = stream.peek(512)
    if head[:4] == _ZIP or head[257:262] == _TAR:
        return Member(name, stem, None, "an archive inside an archive is not opened; unpack it once")
    return Member(name, stem, stream)


def message(error: BaseException) -> str:
    """First line of an exception's text."""
    return (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__
