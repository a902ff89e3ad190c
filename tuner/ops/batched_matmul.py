"""Batched matrix product ``x @ y`` or ``x @ y^T`` with its right side packed inside the kernel.

Both sides are activations, so nothing can be packed beforehand: the kernel transposes one matrix
of the batch into panels of 16 columns, which stay in the L1 cache for the product.
"""

from __future__ import annotations

from tvm import te, tirx

from tuner.ops.dense import LANES


def batched_matmul(x: te.Tensor, y: te.Tensor, *, transpose_y: bool) -> te.Tensor:
    """``z[b, i, j] = sum_k x[b, i, k] * y[b, j, k]`` (``y[b, k, j]`` if not `transpose_y`).

    Parameters
    ----------
    x
        ``[B, M, K]`` float32.
    y
        ``[B, N, K]``, or ``[B, K, N]`` if not `transpose_y`.
    """
    batch, m, depth = x.shape
    n = int(y.shape[1] if transpose_y else y.shape[2])
    width = -(-n // LANES) * LANES

    def read(b: tirx.Var, k: tirx.Var, j: tirx.Var) -> tirx.Expr:
        # Columns of padding repeat the last one: their products are dropped, and a copy without
        # a branch is several times faster than one that chooses zeros.
        at = j if width == n else tirx.min(j, n - 1)
        return y[b, at, k] if transpose_y else y[b, k, at]

    name = "pack_transposed" if transpose_y else "pack"
    packed = te.compute((batch, depth, width), read, name=name)
    k = te.reduce_axis((0, depth), name="k")
    padded = te.compute(
        (batch, m, width),
        lambda b, i, j: te.sum(x[b, i, k] * packed[b, k, j], axis=k),
        name="batched_matmul",
    )
    if width == n:
        return padded
    return te.compute((batch, m, n), lambda b, i, j: padded[b, i, j], name="batched_matmul_unpad")
