"""Which buckets a batch is run on."""

from __future__ import annotations

from collections.abc import Sequence


def plan(batch: int, buckets: Sequence[int]) -> list[tuple[int, int, int]]:
    """Cut a batch into pieces.

    The largest bucket is filled as often as it fits; the rest goes to the smallest that holds it.

    Parameters
    ----------
    batch
        Rows, at least 1.
    buckets
        Rising.

    Returns
    -------
    (first row, rows, bucket) of each piece, in order.
    """
    largest = buckets[-1]
    pieces = [(start, largest, largest) for start in range(0, batch - largest + 1, largest)]
    done = len(pieces) * largest
    if done < batch:
        rest = batch - done
        pieces.append((done, rest, next(b for b in buckets if b >= rest)))
    return pieces
