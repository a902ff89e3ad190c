"""How the calls of a model spread over batch sizes, as its owners write it down."""

from __future__ import annotations

import json
from pathlib import Path

from scheduler.errors import SchedulerError

#: Larger batches are served in pieces; a bucket of this size would take minutes to measure once.
LARGEST_BUCKET = 65_536


def read_traffic(file: Path) -> dict[int, float]:
    """Read the share of the calls per batch size; the shares are made to add up to 1."""
    try:
        shares = {int(batch): float(share) for batch, share in json.loads(file.read_text()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise SchedulerError(
            f'{file}: not a share per batch size, e.g. {{"1": 0.2, "16": 0.8}}'
        ) from error
    total = sum(shares.values())
    sound = all(1 <= batch <= LARGEST_BUCKET and share >= 0 for batch, share in shares.items())
    if not sound or not 0 < total < float("inf"):
        raise SchedulerError(
            f"{file}: batch sizes go from 1 to {LARGEST_BUCKET}, and shares are not negative"
        )
    return {batch: share / total for batch, share in sorted(shares.items())}
