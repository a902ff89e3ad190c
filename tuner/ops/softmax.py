"""Softmax along the last axis, with one division for each row.

A register of quotients takes as long as five of products: every element is multiplied by the
inverse of its row's sum instead of divided by the sum, which is at least 1.
"""

from __future__ import annotations

from tvm import te


def softmax(x: te.Tensor) -> te.Tensor:
    """``y[..., j] = exp(x[..., j] - m) / sum(exp(x - m))`` with ``m`` the row's largest element.

    Parameters
    ----------
    x
        ``[..., N]`` float32; rows of infinities or NaN come out as NaN.
    """
    *rows, width = x.shape
    most_axis, sum_axis = te.reduce_axis((0, width), name="k"), te.reduce_axis((0, width), name="k")
    most = te.compute(
        rows, lambda *i: te.max(x(*i, most_axis), axis=most_axis), name="T_softmax_maxelem"
    )
    powers = te.compute(x.shape, lambda *i: te.exp(x(*i) - most(*i[:-1])), name="T_softmax_exp")
    total = te.compute(
        rows, lambda *i: te.sum(powers(*i, sum_axis), axis=sum_axis), name="T_softmax_expsum"
    )
    inverse = te.compute(rows, lambda *i: 1.0 / total(*i), name="T_softmax_inverse")
    return te.compute(x.shape, lambda *i: powers(*i) * inverse(*i[:-1]), name="T_softmax_norm")
