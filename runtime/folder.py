"""Where the runtime keeps what outlives a process."""

from __future__ import annotations

import os
from pathlib import Path


def default_folder() -> Path:
    """``$TUNEFLEET_CACHE``, else ``tunefleet`` in the user's cache folder."""
    named = os.environ.get("TUNEFLEET_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tunefleet"
