"""Between TVM's workloads and ours, with the compiler at hand: what is imported is found again."""

from __future__ import annotations

import tvm

from db import Workload
from db.exchange.codec import ArgsInfo, EncodedWorkload, WorkloadCodec
from tuner.workloads.digest import function_digest, normalise
from tuner.workloads.facts import facts_of


class TunerCodec(WorkloadCodec):
    """Names workloads as the tuner does: by the digest of the normalised function."""

    def decode(self, module_json: str, args_info: ArgsInfo | None) -> Workload:
        """See `WorkloadCodec.decode`."""
        try:
            func = normalise(tvm.ir.load_json(module_json)["main"])
            facts = facts_of(func)
        except Exception as error:
            raise ValueError(f"not a module of one kernel: {error}") from error
        shapes = [list(argument.shape) for argument in facts.arguments]
        return Workload(
            digest=function_digest(func),
            op_kind=facts.op_kind,
            name=facts.name,
            shapes=shapes,
            dtype=facts.arguments[facts.output].dtype,
            flops=facts.flops,
            bytes=float(sum(argument.nbytes for argument in facts.arguments)),
            tir=tvm.ir.save_json(func),
        )

    def encode(self, workload: Workload) -> EncodedWorkload:
        """See `WorkloadCodec.encode`."""
        func = tvm.ir.load_json(workload.tir)
        mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
        arguments = facts_of(func).arguments
        return EncodedWorkload(
            # TVM reads one and goes by its own.
            structural_hash="0",
            module_json=tvm.ir.save_json(mod),
            args_info=[["TENSOR", a.dtype, list(a.shape)] for a in arguments],
        )
