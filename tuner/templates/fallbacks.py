"""Where a schedule had to make do with less: counted by reason, so that nobody has to guess.

Counts are of this process. A reason is logged the first time it occurs.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_counts: Counter[tuple[str, str]] = Counter()


def note_fallback(template: str, reason: str) -> None:
    """Count that `template` could not do all it is there for."""
    with _lock:
        _counts[template, reason] += 1
        first = _counts[template, reason] == 1
    if first:
        _log.warning("template %s: %s", template, reason)


def fallbacks() -> Mapping[tuple[str, str], int]:
    """How often each (template, reason) occurred."""
    with _lock:
        return dict(_counts)


def first_line(error: BaseException) -> str:
    """What a TVM error says, without the module it prints around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("Error message:", "error:"))]
    return (told or lines or [type(error).__name__])[0][:200]
