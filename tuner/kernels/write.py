"""From a block annotated with a configuration to the code of its function."""

from __future__ import annotations

import json
from collections.abc import Mapping

import tvm
import tvm_ffi
from tvm.s_tir import Schedule
from tvm.s_tir.schedule import SBlockRV

from tuner.kernels.pair_dots import write_pair_dots
from tuner.kernels.rows import write_rows
from tuner.ops import OPERATOR, OffsetBags, bag_from_offsets

#: Annotation of a block: the configuration that its function is written out for.
CONFIG = "tunefleet.config"


def _write_offset_bags(
    func: tvm.tirx.PrimFunc, operator: str, config: Mapping[str, int]
) -> tvm.tirx.PrimFunc:
    return bag_from_offsets(OffsetBags.from_json(operator), **config)


_WRITERS = {"bag_from_offsets": _write_offset_bags, "pair_dots": write_pair_dots}


def annotate(sch: Schedule, block: SBlockRV, config: Mapping[str, int]) -> None:
    """Have `written_out` write the function of `block` for a configuration."""
    sch.annotate(block, CONFIG, json.dumps(dict(config), sort_keys=True))


def written_out(mod: tvm.IRModule) -> tvm.IRModule:
    """Replace ``main`` by the code for the configuration it is annotated with, if it is.

    Functions that carry no operator say what they compute themselves: they go row by row.
    """
    func = mod["main"]
    operator = func.attrs.get(OPERATOR) if func.attrs else None
    config = _config(func)
    if config is None:
        return mod
    if operator is None:
        written = write_rows(func, config)
    else:
        (name,) = json.loads(str(operator))
        written = _WRITERS[name](func, str(operator), config)
    for key in ("global_symbol", "tirx.noalias"):
        if key in func.attrs:
            written = written.with_attr(key, func.attrs[key])
    return tvm.IRModule({"main": written})


def _config(func: tvm.tirx.PrimFunc) -> dict[str, int] | None:
    found: list[str] = []

    def visit(block: tvm.s_tir.SBlock) -> None:
        if CONFIG in block.annotations:
            found.append(str(block.annotations[CONFIG]))

    tvm_ffi.structural_walk(func.body, (tvm.s_tir.SBlock, visit))
    return json.loads(found[0]) if found else None
