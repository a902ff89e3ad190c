"""Archives with something wrong inside, and right checksums."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path


def members(path: Path) -> list[str]:
    """Names of the files in an archive."""
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def rewritten(path: Path, member: str, change: Callable[[bytes], bytes | None]) -> bytes:
    """An archive in which one file's content is changed; None leaves the file out."""
    room = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(room, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            changed = change(content) if name == member else content
            if changed is not None:
                new.writestr(name, changed)
    return room.getvalue()
