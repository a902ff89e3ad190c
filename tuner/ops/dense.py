"""Dense layer on packed weights.

Weights are stored in panels ``[ceil(N / 16), K, 16]``: the 16 columns of a panel lie side by side,
so that a register tile reads them in order whatever the batch. One panel is one avx512 register
or two avx2 registers of float32; the same copy therefore serves every bucket, every thread and
both ISA levels. Columns beyond N are zeros, so that the inner loops need no guard.
"""

from __future__ import annotations

import numpy as np
from tvm import te, tirx

#: Columns of one weight panel.
LANES = 16
#: Layers with fewer outputs are dot products along K rather than panels mostly of padding.
NARROW = 5


def packed_shape(n: int, k: int) -> tuple[int, int, int]:
    """Shape of the packed form of a weight with `n` outputs and `k` inputs."""
    return (-(-n // LANES), k, LANES)


def pack_dense(weight: np.ndarray, *, transposed: bool) -> np.ndarray:
    """Pack a weight ``[N, K]`` (or ``[K, N]`` if `transposed`) into panels."""
    nk = weight.T if transposed else weight
    n, k = nk.shape
    panels, _, lanes = packed_shape(n, k)
    out = np.zeros((panels, k, lanes), weight.dtype)
    whole = n // lanes
    out[:whole] = nk[: whole * lanes].reshape(whole, lanes, k).transpose(0, 2, 1)
    if n % lanes:
        out[whole, :, : n % lanes] = nk[whole * lanes :].T
    return out


def dense(x: te.Tensor, weight: te.Tensor, n: int) -> te.Tensor:
    """``y[b, j] = sum_k x[b, k] * weight[j // 16, k, j % 16]`` for ``j < n``.

    Parameters
    ----------
    x
        ``[B, K]`` float32.
    weight
        Packed, ``[ceil(n / 16), K, 16]``.
    """
    batch, inputs = x.shape
    panels = int(weight.shape[0])
    k = te.reduce_axis((0, inputs), name="k")
    padded = te.compute(
        (batch, panels * LANES),
        lambda b, j: te.sum(
            x[b, k] * weight[tirx.floordiv(j, LANES), k, tirx.floormod(j, LANES)], axis=k
        ),
        name="dense",
    )
    if panels * LANES == n:
        return padded
    return te.compute((batch, n), lambda b, j: padded[b, j], name="dense_unpad")


def pack_narrow(weight: np.ndarray, *, transposed: bool) -> np.ndarray:
    """Pad a weight ``[N, K]`` (or ``[K, N]`` if `transposed`) along K to whole registers."""
    nk = weight.T if transposed else weight
    n, k = nk.shape
    out = np.zeros((n, -(-k // LANES) * LANES), weight.dtype)
    out[:, :k] = nk
    return out


def dense_narrow(x: te.Tensor, weight: te.Tensor) -> te.Tensor:
    """``y[b, j] = sum_k x[b, k] * weight[j, k]`` for a handful of outputs.

    Sixteen partial sums per output keep the multiplications in whole registers.

    Parameters
    ----------
    x
        ``[B, K]`` float32.
    weight
        ``[N, ceil(K / 16) * 16]``, zeros behind K.
    """
    batch, inputs = x.shape
    n, padded = (int(d) for d in weight.shape)
    zero = tirx.const(0, x.dtype)

    def read(b: tirx.Var, k: tirx.Expr) -> tirx.Expr:
        return x[b, k] if padded == int(inputs) else tirx.if_then_else(k < inputs, x[b, k], zero)

    step = te.reduce_axis((0, padded // LANES), name="step")
    lanes = te.compute(
        (batch, n, LANES),
        lambda b, j, v: te.sum(read(b, step * LANES + v) * weight[j, step * LANES + v], axis=step),
        name="dense_narrow",
    )
    lane = te.reduce_axis((0, LANES), name="lane")
    return te.compute(
        (batch, n), lambda b, j: te.sum(lanes[b, j, lane], axis=lane), name="dense_narrow_sum"
    )
