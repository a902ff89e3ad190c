"""Between TVM's workloads and ours; the only knowledge of TVM that the exchange needs."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from db.domain.catalog import Workload

#: Arguments of a function as TVM writes them: ``["TENSOR", dtype, shape]`` each.
ArgsInfo = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class EncodedWorkload:
    """A workload as TVM's JSON database holds it."""

    #: Structural hash in decimal; TVM reads it and computes its own.
    structural_hash: str
    #: The module as JSON text (``tvm.ir.save_json`` of an ``IRModule``).
    module_json: str
    #: Arguments of its main function; ``None`` if not known.
    args_info: ArgsInfo | None


class WorkloadCodec(ABC):
    """Translates workloads; one that loads the module knows more than one that does not."""

    @abstractmethod
    def decode(self, module_json: str, args_info: ArgsInfo | None) -> Workload:
        """Describe a module; raise ``ValueError`` if it cannot be read."""

    @abstractmethod
    def encode(self, workload: Workload) -> EncodedWorkload:
        """Write a workload as TVM reads it."""


class PlainCodec(WorkloadCodec):
    """Takes modules as text: needs no TVM, and round-trips what it imported itself.

    Its digests are of the text, and not of the normalised function, so that records imported with
    it are found by their own digests only.
    """

    def decode(self, module_json: str, args_info: ArgsInfo | None) -> Workload:
        digest = hashlib.sha256(module_json.encode()).hexdigest()
        args = [arg for arg in args_info or () if len(arg) == 3]
        return Workload(
            digest=digest,
            op_kind="imported",
            name=f"imported {digest[:12]}",
            shapes=[list(shape) for _, _, shape in args],
            dtype=str(args[0][1]) if args else "",
            flops=0.0,
            bytes=0.0,
            tir=module_json,
        )

    def encode(self, workload: Workload) -> EncodedWorkload:
        args = None
        if workload.shapes and workload.dtype:
            args = [["TENSOR", workload.dtype, shape] for shape in workload.shapes]
        return EncodedWorkload("0", workload.tir, args)
