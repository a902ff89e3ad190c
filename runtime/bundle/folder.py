"""The folder of a bundle: written by one process at a time, read by any at any moment."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from runtime.bundle.manifest import SCHEMA, BundleError

MANIFEST = "manifest.json"
#: Manifests of versions, the newest included: what `roll_back` goes back to.
VERSIONS = "versions"
#: Digits of a digest in a file's name.
_DIGITS = 16


class BundleFolder:
    """Holds the right to write to a bundle.

    Parameters
    ----------
    create
        Make the folder if it is not there.

    Raises
    ------
    BundleError
        If the folder holds something that is no bundle, or another process writes to it.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path, self._create = path, create
        #: Bytes of files that were not there before.
        self.written = 0

    def __enter__(self) -> Self:
        path = self.path
        if not self._create and not _is_ours(path):
            raise BundleError(f"{path} is no bundle")
        if path.exists() and (not path.is_dir() or (any(path.iterdir()) and not _is_ours(path))):
            raise BundleError(f"{path} is there and no bundle; name an empty or a new folder")
        (path / VERSIONS).mkdir(parents=True, exist_ok=True)
        self._lock = (path / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise BundleError(f"another process writes to {path}; try again") from error
        # A writer that was killed leaves what it was about to rename.
        for part in path.glob("*.part"):
            part.unlink()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.close()

    def add(self, kind: str, suffix: str, chunks: Sequence[bytes | memoryview]) -> tuple[str, str]:
        """Write a file that is named by its content, unless it is there and whole.

        Returns
        -------
        Its name, and the SHA-256 of its content.
        """
        digest = hashlib.sha256()
        for chunk in chunks:
            digest.update(chunk)
        hexed = digest.hexdigest()
        name = f"{kind}-{hexed[:_DIGITS]}{suffix}"
        if not _holds(self.path / name, hexed):
            with self._part() as part:
                for chunk in chunks:
                    part.write(chunk)
                    self.written += len(chunk)
            Path(part.name).replace(self.path / name)
        return name, hexed

    def publish(self, manifest: dict[str, Any], keep: int) -> int:
        """Make a version the one that is served, and remove what no kept version needs.

        Returns
        -------
        The number of the version; that of the one that is served if they are the same.
        """
        text = json.dumps(manifest, indent=1).encode()
        versions = self._versions()
        if not versions or text != versions[-1].read_bytes() or text != self._served():
            number = 1 + max(map(_number, versions), default=0)
            # What a manifest names has to be there before it, also after a power cut.
            _sync(self.path)
            self._replace(self.path / VERSIONS / f"{number:06}.json", text)
            self._replace(self.path / MANIFEST, text)
            _sync(self.path)
        versions = self._versions()
        for old in versions[:-keep]:
            old.unlink()
        needed = {name for p in versions[-keep:] for name in _files(p)}
        for file in [*self.path.glob("code-*.so"), *self.path.glob("weights-*.bin")]:
            if file.name not in needed:
                file.unlink()
        return _number(versions[-1])

    def roll_back(self) -> int:
        """Serve the version before the one that is served, and forget that one.

        Returns
        -------
        The number of the version that is served now.
        """
        versions = self._versions()
        served = [at for at, p in enumerate(versions) if p.read_bytes() == self._served()]
        if not served:
            raise BundleError(f"{self.path} serves none of its versions; export the model again")
        at = served[-1]
        if at == 0:
            raise BundleError(f"{self.path} has no version to go back to")
        self._replace(self.path / MANIFEST, versions[at - 1].read_bytes())
        _sync(self.path)
        # Newer ones were never served: their writer was killed.
        for newer in versions[at:]:
            newer.unlink()
        return _number(versions[at - 1])

    def _versions(self) -> list[Path]:
        return sorted((self.path / VERSIONS).glob("*.json"), key=_number)

    def _served(self) -> bytes | None:
        path = self.path / MANIFEST
        return path.read_bytes() if path.exists() else None

    def _replace(self, to: Path, content: bytes) -> None:
        with self._part() as part:
            part.write(content)
        Path(part.name).replace(to)

    @contextlib.contextmanager
    def _part(self) -> Iterator[Any]:
        """A file beside its place; on disk when the block ends, gone if the block fails."""
        with tempfile.NamedTemporaryFile(dir=self.path, suffix=".part", delete=False) as part:
            try:
                # Servers run as other users; what they map is no secret among them.
                os.fchmod(part.fileno(), 0o644)
                yield part
                part.flush()
                os.fsync(part.fileno())
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise


def _is_ours(path: Path) -> bool:
    return (path / VERSIONS).is_dir()


def _holds(path: Path, sha256: str) -> bool:
    """Whether a file is there with that content."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _number(version: Path) -> int:
    return int(version.stem)


def _files(version: Path) -> Iterator[str]:
    """Names of the files that a version needs."""
    manifest = json.loads(version.read_text())
    if manifest["schema"] != SCHEMA:
        raise BundleError(f"{version} is of schema {manifest['schema']}; use a new folder")
    for arch in manifest["archs"]:
        yield arch["weights"]["file"]
        for bucket in arch["buckets"]:
            yield bucket["code"]["file"]


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
