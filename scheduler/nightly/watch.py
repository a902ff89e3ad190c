"""Picks up model files from a watched folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from db import Store
from scheduler.campaigns import add_model
from scheduler.errors import SchedulerError
from scheduler.traffic import read_traffic
from tuner.errors import TunerError

_SUFFIXES = (".pt2", ".onnx")


def pick_up(store: Store, folder: str | Path) -> tuple[list[str], dict[str, str]]:
    """Add the models in a folder that are new or newer than what the database saw of them.

    Returns
    -------
    Names of the models that were added or seen again; and for each file that could not be read,
    why. A file that is still being written is one of those, and is taken the next time.
    """
    seen = {Path(version.source): version.seen_at for version in store.models()}
    added, refused = [], dict[str, str]()
    for file in sorted(Path(folder).resolve().iterdir()):
        if file.suffix not in _SUFFIXES or not file.is_file():
            continue
        changed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        if file in seen and changed <= seen[file]:
            continue
        try:
            added.append(add_model(store, file, traffic=_traffic(file)).model)
        except (TunerError, SchedulerError) as error:
            refused[file.name] = str(error)
    return added, refused


def _traffic(file: Path) -> dict[int, float] | None:
    """Shares of the calls per batch size, from ``NAME.traffic.json`` beside the model."""
    beside = file.with_suffix(".traffic.json")
    return read_traffic(beside) if beside.exists() else None
