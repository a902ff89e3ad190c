"""Whether two buckets want the same of a kernel, but for their batch sizes."""

from __future__ import annotations

import re

#: Statements of a function's text in which a batch size is an extent.
_EXTENTS = re.compile(
    r"\s*(def |for |T\.reads\(|T\.writes\(|v\d+ = T\.(axis\.|sblock_alloc_buffer\())"
)
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")


def same_but_batch(text: str, batch: int, other: str, other_batch: int) -> bool:
    """True if two unscheduled functions, as texts, differ in their batch sizes alone.

    These may be extents only: a mean over the batch, say, differs in what it computes for a row.
    """
    lines, others = text.splitlines(), other.splitlines()
    if len(lines) != len(others):
        return False
    pair = (str(batch), str(other_batch))
    return all(
        one == two or (_EXTENTS.match(one) is not None and _differ_by(one, two, pair))
        for one, two in zip(lines, others, strict=True)
    )


def _differ_by(one: str, two: str, pair: tuple[str, str]) -> bool:
    if _NUMBER.split(one) != _NUMBER.split(two):
        return False
    numbers = zip(_NUMBER.findall(one), _NUMBER.findall(two), strict=True)
    return all(a == b or (a, b) == pair for a, b in numbers)
