"""What an import yields: the graph, its inputs, and its weights, each apart from the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tvm

#: Name of the batch dimension in `InputSpec.shape`.
BATCH = "batch"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One user input of a model."""

    #: Name as the model's author gave it.
    name: str
    #: numpy dtype name, e.g. ``"float32"``.
    dtype: str
    #: Extents; `BATCH` for the batch, another name for any other dimension left open.
    shape: tuple[int | str, ...]

    @property
    def batched(self) -> bool:
        """True if axis 0 is the batch."""
        return bool(self.shape) and self.shape[0] == BATCH

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class IndexLimit:
    """Which elements of an input index into a table, and how many rows that table has.

    Kernels gather without a check, so that everything that reaches them was checked here.
    """

    #: Name of the input whose elements are used as row numbers.
    input: str
    #: int64 array, broadcastable against the input: rows of the table each element indexes,
    #: 0 where the element is no index.
    rows: np.ndarray
    #: Row offset of ``offsets`` inputs is checked against the length of this input, if any.
    offsets_into: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A model in the compiler's terms, before any batch size is chosen."""

    #: Where it came from, as the user wrote it.
    source: str
    #: Relax module; ``main`` takes the inputs and then the parameters, in the order of `params`.
    mod: tvm.IRModule
    inputs: tuple[InputSpec, ...]
    #: Weights by the name their author gave them, in the order of ``main``'s parameters.
    params: dict[str, np.ndarray]
    #: Name of the symbolic batch variable in `mod`; None if the batch was fixed on export.
    batch_var: str | None
    #: The batch that the model was exported with, if it is fixed.
    fixed_batch: int | None
    index_limits: tuple[IndexLimit, ...]
    #: SHA-256 of the graph without its weights: equal digests may be refreshed into each other.
    digest: str
    #: Number of outputs of ``main``.
    num_outputs: int = 1
    #: As `tuner.importers.read_weights` tells of the file; None where a graph has none.
    fingerprint: str | None = None
    #: Weights of the file that the graph never reads.
    unused: frozenset[str] = frozenset()
    #: Free-form facts for reports, e.g. the exporter's version.
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def weight_bytes(self) -> int:
        """Size of all weights, in bytes."""
        return sum(a.nbytes for a in self.params.values())
