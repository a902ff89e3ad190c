"""Files that browsers fetch: ours, and vendored ones, each with version, licence and hash."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class Vendored:
    """A file of another project, unchanged."""

    #: Its place below ``static``.
    path: str
    #: The package of the npm registry that it is from.
    package: str
    #: Version of that package.
    version: str
    #: Its licence, as SPDX names it; the text lies beside the file.
    licence: str
    #: SHA-256 (hex) of the file.
    sha256: str


VENDORED = (
    Vendored(
        "vendor/htmx.min.js",
        "htmx.org",
        "2.0.11",
        "0BSD",
        "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    ),
    Vendored(
        "vendor/htmx-sse.min.js",
        "htmx-ext-sse",
        "2.2.4",
        "0BSD",
        "98a46496de0c3605fbffdce9167ba427bdd9553184f83f149c261891a92c0136",
    ),
    Vendored(
        "vendor/uplot.min.js",
        "uplot",
        "1.6.32",
        "MIT",
        "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    ),
    Vendored(
        "vendor/uplot.min.css",
        "uplot",
        "1.6.32",
        "MIT",
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    ),
)


def address(path: str) -> str:
    """Where a file is served; it changes with the file, so browsers may keep it."""
    return f"/static/{path}?{_hash(path)[:12]}"


@functools.cache
def _hash(path: str) -> str:
    return hashlib.sha256((STATIC / path).read_bytes()).hexdigest()
