"""Sizes of the example models that compile and run in milliseconds."""

from __future__ import annotations

from examples.dlrm import DLRMConfig

SMALL_DLRM = DLRMConfig(
    dense_features=5, tables=4, rows=100, dim=16, hots=3, bottom=(32,), top=(32, 16)
)
