"""Names for functions that do not depend on how anything inside them is called.

TVM's structural hash differs between its builds, and printed text between models. Here every
variable is renamed by its place in the function, and so are blocks that TVM names after one; what
is then printed is hashed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from math import prod
from typing import Any, TypeVar

import tvm
import tvm_ffi
from tvm_ffi.serialization import from_json_graph_str

from tuner.ops import OPERATOR

Node = TypeVar("Node", tvm.tirx.PrimFunc, tvm.IRModule)

#: Most elements that are counted in 32 bits.
_LARGEST = 2**31 - 1
#: The attributes that change what a kernel computes or may assume.
_KEPT_ATTRS = ("s_tir", "tirx.noalias", OPERATOR)

#: Blocks of TVM's reductions are named after the tensor that is reduced, which is a variable of
#: the model: ``lv12_red``. Our own operators and those of TVM's ``T_`` kind are not.
_NAMED_AFTER_DATA = re.compile(
    r"(?!T_|bag_|dense_)\w+?(_red_temp|_red|_var_sum|_sum|_mean)(_rf)?_?\d*"
)


def normalise(func: tvm.tirx.PrimFunc) -> tvm.tirx.PrimFunc:
    """Drop attributes that only say where a function came from, and rename its variables."""
    for name in list(func.attrs.keys()) if func.attrs else []:
        if name not in _KEPT_ATTRS:
            func = func.without_attr(name)
    return rename_variables(narrow_indices(func))


def narrow_indices(func: tvm.tirx.PrimFunc) -> tvm.tirx.PrimFunc:
    """Count loops and elements in 32 bits, where all fit and no data are of 64-bit integers.

    Functions that come from a graph count in 64 bits. TVM narrows them later by itself, but then
    loses the hints on the loops that it replaces.
    """
    if any(_is_wide(buffer) for buffer in _buffers(func)):
        return func
    mod = tvm.IRModule({"main": func})
    narrowed: tvm.tirx.PrimFunc = tvm.tirx.transform.ForceNarrowIndexToInt32()(mod)["main"]
    return narrowed


def _buffers(func: tvm.tirx.PrimFunc) -> list[tvm.ir.Var]:
    found = [p for p in func.params if hasattr(p.ty, "shape")]

    def note(block: tvm.s_tir.SBlock) -> None:
        found.extend(block.alloc_buffers)

    tvm_ffi.structural_walk(func.body, (tvm.s_tir.SBlock, note))
    return found


def _is_wide(buffer: tvm.ir.Var) -> bool:
    """True for 64-bit integers, and for more elements than 32 bits count."""
    sizes = [d for d in buffer.ty.shape if isinstance(d, tvm.tirx.IntImm)]
    open_ = len(sizes) < len(buffer.ty.shape)
    return open_ or "int64" in str(buffer.ty.dtype) or prod(int(d) for d in sizes) > _LARGEST


def rename_variables(node: Node) -> Node:
    """Give every variable the name ``v0``, ``v1``, … in the order of its serialised form."""
    graph = json.loads(tvm.ir.save_json(node))
    nodes = graph["nodes"]
    variables = 0
    blocks: Counter[str] = Counter()

    def rename(entry: dict[str, Any], field: str, name: str) -> None:
        entry["data"][field] = len(nodes)
        nodes.append({"type": "ffi.String", "data": name})

    for entry in list(nodes):
        if entry["type"] == "ir.Var":
            rename(entry, "name", f"v{variables}")
            variables += 1
        elif entry["type"] == "s_tir.SBlock":
            name = _text(nodes, entry["data"]["name_hint"])
            after_data = _NAMED_AFTER_DATA.fullmatch(name)
            if after_data:
                kind = after_data[1].removeprefix("_")
                rename(entry, "name_hint", kind + (f"_{blocks[kind]}" if blocks[kind] else ""))
                blocks[kind] += 1
    # TVM's own loader would look for the forms of older versions first, at twice the price.
    return from_json_graph_str(json.dumps(graph))


def _text(nodes: list[dict[str, Any]], value: Any) -> str:
    """A string, which is stored inline or as a node of its own."""
    return str(nodes[value]["data"] if isinstance(value, int) else value)


def function_text(func: tvm.tirx.PrimFunc) -> str:
    """A normalised function as text, constants included."""
    return str(func.script(show_meta=True))


def function_digest(func: tvm.tirx.PrimFunc) -> str:
    """SHA-256 of a normalised function's text, in hex."""
    return text_digest(function_text(func))


def text_digest(text: str) -> str:
    """SHA-256 of `function_text`, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def module_digest(mod: tvm.IRModule) -> str:
    """SHA-256 of a module's text, constants included, in hex."""
    return hashlib.sha256(rename_variables(mod).script(show_meta=True).encode()).hexdigest()
