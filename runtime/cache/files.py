"""A folder of entries that any number of processes read and write."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import pickle
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)

#: Bytes of the digest that every entry starts with.
_DIGEST = hashlib.sha256().digest_size
#: After the folder grew too large, it is emptied down to this part of its bound.
_KEPT = 0.9
#: How often a lock that another process holds is tried again, in seconds.
_POLL_S = 0.02


class DiskCache:
    """Entries by key, the longest unused of which make room for others.

    An entry is written beside its place and moved there whole, so that readers see all of it or
    nothing; its digest is checked before anything in it is believed, and a damaged one is removed.
    Entries hold code that this process runs: the folder has to be as private as the program. It is
    made readable for its owner alone, and one that others may write to is refused.

    Parameters
    ----------
    folder
        Made when first needed. One that cannot be written is as good as none.
    limit_bytes
        Size that all entries together may have.
    """

    def __init__(self, folder: Path, limit_bytes: int = 1 << 30) -> None:
        self._folder, self._limit = folder, limit_bytes
        #: How often: ``hit``, ``miss``, ``damaged``, ``written``, ``evicted``.
        self.counts: Counter[str] = Counter()

    def get(self, key: str) -> Any | None:
        """An entry, or None if there is none that is whole."""
        path = self._path(key)
        try:
            if not self._private():
                return None
            content = path.read_bytes()
            # The time of its last use is what keeps it from being evicted.
            os.utime(path)
        except OSError:
            self.counts["miss"] += 1
            return None
        if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
            self.counts["damaged"] += 1
            _log.warning("removing %s, which is damaged", path)
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        self.counts["hit"] += 1
        return pickle.loads(memoryview(content)[_DIGEST:])

    def put(self, key: str, value: object) -> None:
        """Add or replace an entry; a disk that is full or read-only costs the entry alone."""
        payload = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        path = self._path(key)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._private():
                return
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
                part.write(hashlib.sha256(payload).digest() + payload)
            Path(part.name).replace(path)
        except OSError as error:
            _log.warning("compiled code is not kept: %s", error)
            return
        self.counts["written"] += 1
        self._shrink()

    @contextlib.contextmanager
    def making(self, key: str, patience_s: float = 60.0) -> Iterator[None]:
        """Hold the right to make an entry, so that processes do not all compile the same.

        Who waits longer than `patience_s` goes on without it; the lock of a process that is killed
        is free at once.
        """
        lock = self._path(key).with_suffix(".lock")
        try:
            lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = lock.open("w")
        except OSError:
            yield
            return
        with handle:
            deadline = time.monotonic() + patience_s
            while time.monotonic() < deadline:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    time.sleep(_POLL_S)
            yield
            with contextlib.suppress(OSError):
                lock.unlink()

    def _shrink(self) -> None:
        entries = []
        for path in self._folder.glob("*.entry"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                entries.append((stat.st_mtime_ns, stat.st_size, path))
        total = sum(size for _, size, _ in entries)
        if total <= self._limit:
            return
        for _, size, path in sorted(entries):
            if total <= self._limit * _KEPT:
                break
            # Another process may be emptying it, too; one that has read the entry has its copy.
            with contextlib.suppress(OSError):
                path.unlink()
                self.counts["evicted"] += 1
            total -= size

    def _private(self) -> bool:
        stat = self._folder.stat()
        private = stat.st_uid == os.getuid() and not stat.st_mode & 0o022
        if not private:
            _log.warning("%s is not used: others may write to it", self._folder)
        return private

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.entry"


class NoCache(DiskCache):
    """Keeps nothing."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))

    def get(self, key: str) -> Any | None:
        return None

    def put(self, key: str, value: object) -> None:
        return

    @contextlib.contextmanager
    def making(self, key: str, patience_s: float = 60.0) -> Iterator[None]:
        yield
