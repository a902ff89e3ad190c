"""Rows of a table, one per index: ``nn.Embedding`` and every other gather along axis 0."""

from __future__ import annotations

from tvm import te, tirx


def gather(table: te.Tensor, indices: te.Tensor) -> te.Tensor:
    """``y[i..., d...] = table[indices[i...], d...]``; indices are checked by the caller.

    Parameters
    ----------
    table
        ``[R, ...]``.
    indices
        Integers of any shape in ``[0, R)``.
    """
    rank = len(indices.shape)

    def read(*at: tirx.Var) -> tirx.Expr:
        return table[(indices[at[:rank]] if rank else indices(), *at[rank:])]

    return te.compute((*indices.shape, *table.shape[1:]), read, name="gather")
