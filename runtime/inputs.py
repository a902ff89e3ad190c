"""The boundary: inputs are checked once per call, so that kernels never read out of bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.errors import InputError
from tuner.importers import BATCH, ImportedModel, IndexLimit, InputSpec


class InputChecker:
    """Turns what a caller passes into arrays that the kernels can be trusted with."""

    def __init__(self, model: ImportedModel) -> None:
        self.specs = model.inputs
        self._position = {spec.name: i for i, spec in enumerate(self.specs)}
        self._indices = [_IndexCheck(n) for n in model.index_limits if n.offsets_into is None]
        self._offsets = [n for n in model.index_limits if n.offsets_into is not None]
        #: Inputs cut by offsets: position of the offsets by position of what they cut.
        self.cut_by = {
            self._position[str(n.offsets_into)]: self._position[n.input] for n in self._offsets
        }

    def __call__(self, inputs: Sequence[Any]) -> tuple[list[np.ndarray], int]:
        """Check inputs.

        Returns
        -------
        C-contiguous copies, made before they were checked: what was checked is what kernels read,
        whatever the caller's other threads do meanwhile. And the batch.

        Raises
        ------
        InputError
            If one is missing, of another dtype or shape, or an index is out of range.
        """
        if len(inputs) != len(self.specs):
            raise InputError(
                f"the model takes {len(self.specs)} inputs ({', '.join(map(str, self.specs))}), "
                f"{len(inputs)} given"
            )
        arrays = [_array(x, spec) for x, spec in zip(inputs, self.specs, strict=True)]
        batch = self._batch(arrays)
        for check in self._indices:
            check(arrays[self._position[check.input]])
        for limit in self._offsets:
            self._check_offsets(arrays, limit)
        return arrays, batch

    def _batch(self, arrays: list[np.ndarray]) -> int:
        batch: int | None = None
        for array, spec in zip(arrays, self.specs, strict=True):
            if not spec.batched:
                continue
            rows = array.shape[0]
            if rows == 0:
                raise InputError(f"input {spec.name}: a batch of 0 cannot be scored")
            if batch is not None and rows != batch:
                raise InputError(f"input {spec.name} has {rows} rows, the inputs before it {batch}")
            batch = rows
        assert batch is not None
        return batch

    def _check_offsets(self, arrays: list[np.ndarray], limit: IndexLimit) -> None:
        offsets = arrays[self._position[limit.input]]
        count = arrays[self._position[str(limit.offsets_into)]].shape[0]
        if offsets[0] != 0 or (np.diff(offsets) < 0).any() or offsets[-1] > count:
            raise InputError(
                f"input {limit.input}: offsets have to start at 0, never fall, and stay within "
                f"the {count} elements of {limit.offsets_into}"
            )


def _array(value: Any, spec: InputSpec) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach()
    try:
        array = value if isinstance(value, np.ndarray) else np.from_dlpack(value)
    except (AttributeError, TypeError, BufferError, RuntimeError) as error:
        raise InputError(
            f"input {spec.name} is a {type(value).__name__}; pass a numpy array or anything with "
            "__dlpack__ on the CPU"
        ) from error
    if str(array.dtype) != spec.dtype:
        raise InputError(f"input {spec.name} is {array.dtype}, the model takes {spec.dtype}")
    fits = array.ndim == len(spec.shape) and all(
        isinstance(want, str) or have == want
        for have, want in zip(array.shape, spec.shape, strict=True)
    )
    if not fits:
        raise InputError(
            f"input {spec.name} has shape {list(array.shape)}, the model takes "
            f"[{', '.join(map(str, spec.shape))}]"
        )
    return np.array(array, order="C", copy=True, subok=False)


class _IndexCheck:
    """Checks that the elements of one input stay within their tables."""

    def __init__(self, limit: IndexLimit) -> None:
        self.input = limit.input
        self._rows = limit.rows
        same = np.unique(limit.rows)
        #: One limit for all elements makes the check two reductions.
        self._uniform = int(same[0]) if same.size == 1 else None

    def __call__(self, array: np.ndarray) -> None:
        if array.size == 0:
            return
        # Kernels truncate floats towards zero: everything above -1 is row 0 or later.
        lowest = -1 if np.issubdtype(array.dtype, np.floating) else 0
        if self._uniform is not None and array.max() < self._uniform:
            low = array.min()
            if low > lowest or (lowest == 0 and low == 0):
                return
        above = array > lowest if lowest else array >= 0
        bad = ~(above & (array < self._rows)) & (self._rows > 0)
        if not bad.any():
            return
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        rows = int(np.broadcast_to(self._rows, array.shape)[at])
        raise InputError(
            f"input {self.input}, row {at[0]}, position {list(at)}: index {array[at]} is outside "
            f"[0, {rows})"
        )


def random_inputs(model: ImportedModel, batch: int, seed: int = 0) -> list[np.ndarray]:
    """Inputs that the model accepts: indices uniform over their tables, the rest normal.

    Lists of indices that are cut by offsets get eight elements per bag.
    """
    rng = np.random.default_rng(seed)
    limits = {limit.input: limit for limit in model.index_limits}
    arrays = []
    for spec in model.inputs:
        shape = [batch if d == BATCH else batch * 8 if isinstance(d, str) else d
                 for d in spec.shape]  # fmt: skip
        limit = limits.get(spec.name)
        if limit is not None and limit.offsets_into is not None:
            extent = shape[0] if spec.batched else batch + 1
            arrays.append((np.arange(extent) * 8).astype(spec.dtype))
            continue
        free = np.issubdtype(np.dtype(spec.dtype), np.floating)
        values = rng.standard_normal(shape) if free else rng.integers(0, 2, shape)
        if limit is not None:
            rows = np.broadcast_to(limit.rows, shape)
            indices = np.floor(rng.random(shape) * rows)
            values = np.where(rows > 0, indices, values)
        arrays.append(values.astype(spec.dtype))
    return arrays
