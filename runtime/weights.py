"""The packed weights of a model: one immutable set, shared by every bucket and every thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tvm
import tvm_ffi

from runtime.errors import RefreshError
from runtime.threads import each
from tuner.arena import Arena
from tuner.graph.dense import WeightLayout


class WeightSchema:
    """Which weights a model takes, and how the kernels want them."""

    def __init__(
        self,
        layouts: Sequence[WeightLayout],
        expected: Mapping[str, tuple[tuple[int, ...], str]],
        unused: frozenset[str] = frozenset(),
    ) -> None:
        self._layouts, self._unused = layouts, unused
        #: Shape and dtype of each weight, as the model's author knows it.
        self.expected = expected

    def pack(
        self, weights: Mapping[str, np.ndarray], old: PackedWeights | None = None
    ) -> PackedWeights:
        """Check and pack weights; what is absent is taken from `old`.

        Raises
        ------
        RefreshError
            If a weight is unknown, missing, of another shape or dtype, or not finite.
        """
        self._check(weights, complete=old is None)
        new = {i: n for i, n in enumerate(self._layouts) if n.param in weights}
        arena = Arena((n.shape, n.dtype) for n in new.values())
        filled = {i: arena.empty(n.shape, n.dtype) for i, n in new.items()}
        tensors = [filled[i] if old is None or i in filled else old.tensors[i]
                   for i in range(len(self._layouts))]  # fmt: skip
        each(lambda i: _pack(new[i], filled[i], weights[new[i].param]), new)
        return PackedWeights(tensors)

    def _check(self, weights: Mapping[str, np.ndarray], *, complete: bool) -> None:
        known = self.expected
        missing = sorted(set(known) - set(weights)) if complete else []
        if missing:
            raise RefreshError(f"the weights lack {_some(missing)}")
        strangers = sorted(set(weights) - set(known) - self._unused)
        if strangers:
            raise RefreshError(f"the model has no {_some(strangers)}; it has {_some(known)}")
        each(lambda name: self._check_one(name, weights[name]), set(known) & set(weights))

    def _check_one(self, name: str, array: np.ndarray) -> None:
        shape, dtype = self.expected[name]
        if tuple(array.shape) != tuple(shape) or str(array.dtype) != dtype:
            raise RefreshError(
                f"weight {name} is {array.dtype}{list(array.shape)}, the model has "
                f"{dtype}{list(shape)}; a changed graph is refreshed from its file"
            )
        if np.issubdtype(array.dtype, np.floating) and not _finite(array):
            raise RefreshError(f"weight {name} has values that are not finite")


class PackedWeights:
    """Tensors in the order of the kernels' last argument."""

    __slots__ = ("bundle", "nbytes", "tensors", "views")

    def __init__(self, tensors: list[tvm.runtime.Tensor]) -> None:
        self.tensors = tensors
        self.views = [np.from_dlpack(t) for t in tensors]
        #: What virtual machines are called with.
        self.bundle = tvm_ffi.convert(tuple(tensors))
        self.nbytes = sum(v.nbytes for v in self.views)


def address_table(arrays: Sequence[np.ndarray]) -> tvm.runtime.Tensor:
    """Addresses of arrays, which the caller keeps alive; never empty."""
    return tvm.runtime.tensor(np.array([a.ctypes.data for a in arrays] or [0], np.uint64))


def _pack(layout: WeightLayout, tensor: tvm.runtime.Tensor, array: np.ndarray) -> None:
    np.copyto(np.from_dlpack(tensor), layout.pack(array))


def _finite(array: np.ndarray) -> bool:
    # A product with itself is one pass of the fastest loop there is, and finite only if every
    # value is, up to overflow.
    flat = array.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.dot(flat, flat) if flat.dtype.itemsize >= 4 else np.inf
    return bool(np.isfinite(total)) or bool(np.isfinite(array).all())


def _some(names: object) -> str:
    ordered = sorted(names)  # type: ignore[call-overload]
    more = f" and {len(ordered) - 3} more" if len(ordered) > 3 else ""
    return ", ".join(ordered[:3]) + more
