"""The packed weights of a model: one immutable set, shared by every bucket and every thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tvm
import tvm_ffi

from runtime.errors import RefreshError
from tuner.arena import Arena
from tuner.graph.dense import WeightLayout
from tuner.graph.prepare import PreparedModel


class WeightSchema:
    """Which weights a model takes, and how the kernels want them."""

    def __init__(self, prepared: PreparedModel) -> None:
        self._layouts = prepared.layouts
        self._unused = prepared.model.unused
        #: Shape and dtype of each weight, as the model's author knows it.
        self.expected = {
            name: (array.shape, str(array.dtype)) for name, array in prepared.model.params.items()
        }

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
        arena = Arena((n.shape, n.dtype) for n in self._layouts if n.param in weights)
        tensors = []
        for i, layout in enumerate(self._layouts):
            if layout.param in weights:
                tensors.append(_packed(layout, arena, weights[layout.param]))
            else:
                assert old is not None
                tensors.append(old.tensors[i])
        return PackedWeights(tensors)

    def _check(self, weights: Mapping[str, np.ndarray], *, complete: bool) -> None:
        known = self.expected
        missing = sorted(set(known) - set(weights)) if complete else []
        if missing:
            raise RefreshError(f"the weights lack {_some(missing)}")
        strangers = sorted(set(weights) - set(known) - self._unused)
        if strangers:
            raise RefreshError(f"the model has no {_some(strangers)}; it has {_some(known)}")
        for name, (shape, dtype) in known.items():
            array = weights.get(name)
            if array is None:
                continue
            if tuple(array.shape) != tuple(shape) or str(array.dtype) != dtype:
                raise RefreshError(
                    f"weight {name} is {array.dtype}{list(array.shape)}, the model has "
                    f"{dtype}{list(shape)}; a changed graph is loaded as a new model"
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


def _packed(layout: WeightLayout, arena: Arena, array: np.ndarray) -> tvm.runtime.Tensor:
    tensor = arena.empty(layout.shape, layout.dtype)
    np.copyto(np.from_dlpack(tensor), layout.pack(array))
    return tensor


def _finite(array: np.ndarray) -> bool:
    # One pass without a temporary: a sum is finite only if every term is, up to overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum(dtype=np.float64)
    return bool(np.isfinite(total)) or bool(np.isfinite(array).all())


def _some(names: object) -> str:
    ordered = sorted(names)  # type: ignore[call-overload]
    more = f" and {len(ordered) - 3} more" if len(ordered) > 3 else ""
    return ", ".join(ordered[:3]) + more
