"""Kernels that go row by row: chains, reductions, softmax, layer norm, concatenation.

A row program says what a function does for one row of its result, as sweeps over the columns: sums
first, then what is stored. It is read off the function itself (`tuner.kernels.rows.read`) and
written out in vectors (`tuner.kernels.rows.write`).
"""

from tuner.kernels.rows.definitions import NotRowwise
from tuner.kernels.rows.program import ByRow
from tuner.kernels.rows.read import by_row
from tuner.kernels.rows.write import write_rows

__all__ = ["ByRow", "NotRowwise", "by_row", "write_rows"]
