"""The workloads of one bucket: each fused function once, with how often it is called."""

from __future__ import annotations

from dataclasses import dataclass, replace

import tvm

from db import Workload
from tuner.templates.fallbacks import note_fallback
from tuner.workloads.digest import function_text, normalise, text_digest
from tuner.workloads.facts import Facts, facts_of


@dataclass(frozen=True, slots=True)
class KernelUse:
    """One workload of a bucket."""

    workload: Workload
    func: tvm.tirx.PrimFunc
    facts: Facts
    #: Names of the functions of the bucket's module that are this workload.
    functions: tuple[str, ...]
    #: How often one inference calls it.
    calls: int
    #: What the digest is made of.
    text: str


def extract_workloads(mod: tvm.IRModule, *, tir: bool = True) -> list[KernelUse]:
    """Collect the workloads of a bucket's module, in the order of their first call.

    Functions that only reshape are left out: they become views and run no code. So are those with
    several results, such as a top-k: they are counted, and compiled as they stand.

    Parameters
    ----------
    tir
        False leaves `Workload.tir` empty, which takes longer than all the rest.
    """
    calls = _calls(mod)
    found: dict[str, KernelUse] = {}
    for name, count in calls.items():
        func = mod[name]
        if is_view(func):
            continue
        func = normalise(func)
        text = function_text(func)
        digest = text_digest(text)
        if digest in found:
            old = found[digest]
            found[digest] = replace(old, functions=(*old.functions, name), calls=old.calls + count)
            continue
        facts = facts_of(func)
        workload = Workload(
            digest=digest,
            op_kind=facts.op_kind,
            name=facts.name,
            shapes=[list(a.shape) for a in facts.arguments],
            dtype=facts.arguments[facts.output].dtype,
            flops=facts.flops,
            bytes=facts.bytes,
            tir=tvm.ir.save_json(func) if tir else "",
        )
        found[digest] = KernelUse(workload, func, facts, (name,), count, text)
    return list(found.values())


def is_view(func: tvm.tirx.PrimFunc) -> bool:
    """True for a function that only reads its input under another shape."""
    return bool(tvm.relax.analysis.has_reshape_pattern(func))


def _calls(mod: tvm.IRModule) -> dict[str, int]:
    counts: dict[str, int] = {}
    for block in mod["main"].body.blocks:
        for binding in block.bindings:
            value = getattr(binding, "value", None)
            if isinstance(value, tvm.relax.Call) and value.op == tvm.ir.Op.get("relax.call_tir"):
                name = str(value.args[0].name_hint)
                if isinstance(value.ty, tvm.relax.TupleType):
                    note_fallback("none", f"{name} has several results: compiled as it stands")
                    continue
                counts[name] = counts.get(name, 0) + 1
    return counts
