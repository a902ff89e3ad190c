"""Which errors are alike: their texts without what differs from case to case."""

from __future__ import annotations

import hashlib
import re

#: What differs between two cases of one error -> what stands for it, in the order applied.
_DIFFERS = (
    (re.compile(r"0x[0-9a-fA-F]+"), "0x…"),
    (re.compile(r"(?:/[\w.@+-]+){2,}"), "/…"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "…"),
    (re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"), "N"),
)

#: Characters of a text that count.
_LENGTH = 200


def normalised(text: str | None) -> str:
    """The line of an error's text that tells most, with numbers, addresses and paths left out."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    if not lines:
        return ""
    # The last line of a traceback says what happened, the first one of anything else.
    line = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    for pattern, instead in _DIFFERS:
        line = pattern.sub(instead, line)
    return line[:_LENGTH]


def signature(kind: str, text: str | None) -> str:
    """Name of all errors of a kind whose texts are alike: 64 bits of a SHA-256, as hex."""
    return hashlib.sha256(f"{kind}/{normalised(text)}".encode()).hexdigest()[:16]
