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


def pick_pairs(x: te.Tensor, first: te.Tensor, second: te.Tensor) -> te.Tensor:
    """``y[b, n] = x[b, first[n], second[n]]``; indices are checked by the caller.

    Parameters
    ----------
    x
        ``[B, M, N]``.
    first, second
        ``[L]``, within M and N.
    """
    return te.compute(
        (x.shape[0], first.shape[0]),
        lambda b, n: x[b, first[n], second[n]],
        name="pick_pairs",
    )
