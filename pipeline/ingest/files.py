"""Finds files in a landing folder, a given path or any fsspec URL, and tells whether one has changed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit, urlunsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pipeline.errors import SourceError
from pipeline.ingest.containers import foreign_errors, message

_UNFINISHED = (".tmp", ".partial", ".part", ".crdownload", ".swp")
_VERSION_KEYS = (
    "ETag",
    "etag",
    "md5",
    "md5Hash",
    "content_md5",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "modified",
)
_BLOCK = 1 << 20


@dataclass(frozen=True)
class SourceFile:
    """A file that can be read.

    Attributes:
        url: absolute path, or URL without credentials: how the file is known in the store.
        problem: why it cannot be read although it is there.
    """

    url: str
    path: str
    filesystem: Any = field(repr=False)
    problem: str | None = None

    def open(self) -> BinaryIO:
        """The file's bytes as stored."""
        return self.filesystem.open(self.path, "rb")  # type: ignore[no-any-return]

    def fingerprint(self) -> str:
        """Changes when the file does: size and version from the file system, else the SHA-256 of its bytes.

        Raises:
            OSError: the file is gone or may not be read.
            SourceError: its file system failed in another way.
        """
        with foreign_errors():
            return self._fingerprint()

    def _fingerprint(self) -> str:
        info = self.filesystem.info(self.path)
        version = next((str(info[key]) for key in _VERSION_KEYS if info.get(key) is not None), None)
        if version is not None:
            return hashlib.sha256(f"{info.get('size')}|{version}".encode()).hexdigest()
        digest = hashlib.sha256()
        with self.open() as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()


def find_files(urls: Sequence[str]) -> Iterator[SourceFile]:
    """Every file below the given files, folders or URLs, once each, ordered by URL within each of them.

    Hidden files and those with an ending that says "still being written" are left out.

    Raises:
        SourceError: one of `urls` does not exist or may not be listed.
    """
    seen: set[str] = set()
    for url in urls:
        for file in _below(url):
            if file.url not in seen:
                seen.add(file.url)
                yield file


def _below(url: str) -> Iterator[SourceFile]:
    shown = without_credentials(url)
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        if isinstance(filesystem, LocalFileSystem):
            yield from _local(path, filesystem)
        else:
            yield from _remote(path, filesystem)
    except FileNotFoundError:
        raise SourceError(f"Nothing is at {shown}. Create it, or name another with METRIC_STORE_LANDING.") from None
    except PermissionError:
        raise SourceError(f"No permission to read {shown}. Grant it to this user, then run again.") from None
    except (OSError, ValueError, ImportError) as error:
        raise SourceError(f"{shown} cannot be listed: {message(error)}") from None
    except Exception as error:  # libraries of file systems raise classes of their own; their text may hold a signed URL
        raise SourceError(f"{shown} cannot be listed: {type(error).__name__}") from None


def _local(root: str, filesystem: LocalFileSystem) -> Iterator[SourceFile]:
    if not stat.S_ISDIR(os.stat(root).st_mode):  # noqa: PTH116
        yield _local_file(root, filesystem)
        return
    unlistable: list[OSError] = []
    visited: set[tuple[int, int]] = set()
    found: list[SourceFile] = []
    os.listdir(root)  # noqa: PTH208 - os.walk would be silent about a root that cannot be listed
    for folder, folders, names in os.walk(root, onerror=unlistable.append, followlinks=True):
        status = os.stat(folder)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in visited:  # a link back to a folder above
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not _skipped(name)]
        found += [
            _local_file(os.path.join(folder, name), filesystem)  # noqa: PTH118
            for name in names
            if not _skipped(name)
        ]
    found += [
        SourceFile(str(error.filename), str(error.filename), filesystem, f"cannot be listed: {error.strerror}")
        for error in unlistable
    ]
    yield from sorted(found, key=lambda file: file.url)


def _local_file(path: str, filesystem: LocalFileSystem) -> SourceFile:
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except OSError as error:
        return SourceFile(path, path, filesystem, f"cannot be opened, perhaps a broken link: {error.strerror}")
    # Reading a pipe or a device would wait for ever.
    return SourceFile(path, path, filesystem, None if regular else "not a regular file")


def _remote(path: str, filesystem: Any) -> Iterator[SourceFile]:
    if not filesystem.exists(path):
        raise FileNotFoundError(path)
    for found in sorted(filesystem.find(path)):
        relative = found.removeprefix(path)
        if not any(_skipped(part) for part in PurePosixPath(relative).parts):
            url = without_credentials(filesystem.unstrip_protocol(found))
            yield SourceFile(url, found, filesystem)


def _skipped(name: str) -> bool:
    return name.startswith((".", "__MACOSX")) or name.endswith((*_UNFINISHED, "~"))


def hidden(member: str) -> bool:
    """Whether a name inside an archive is one that the scan of a folder would leave out."""
    return any(_skipped(part) for part in PurePosixPath(member).parts)


def without_credentials(url: str) -> str:
    """The URL without user, password and query, which may hold a signature; the query becomes a short hash."""
    if "://" not in url or not ({"@", "?"} & set(url)):
        return url
    parts = urlsplit(url)
    mark = f"query-{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}" if parts.query else ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, mark, ""))
