"""Names for functions that do not depend on how anything inside them is called.

TVM's structural hash differs between its builds, and printed text between models. Here every
variable is renamed by its place in the function; what is then printed is hashed.
"""

from __future__ import annotations

import hashlib
import json
from typing import TypeVar

import tvm

Node = TypeVar("Node", tvm.tirx.PrimFunc, tvm.IRModule)

#: The only attribute that changes what a kernel computes or may assume.
_KEPT_ATTRS = ("tirx.noalias",)


def normalise(func: tvm.tirx.PrimFunc) -> tvm.tirx.PrimFunc:
    """Drop attributes that only say where a function came from, and rename its variables."""
    for name in list(func.attrs.keys()) if func.attrs else []:
        if name not in _KEPT_ATTRS:
            func = func.without_attr(name)
    return rename_variables(func)


def rename_variables(node: Node) -> Node:
    """Give every variable the name ``v0``, ``v1``, … in the order of its serialised form."""
    graph = json.loads(tvm.ir.save_json(node))
    nodes = graph["nodes"]
    count = 0
    for entry in list(nodes):
        if entry["type"] == "ir.Var":
            entry["data"]["name"] = len(nodes)
            nodes.append({"type": "ffi.String", "data": f"v{count}"})
            count += 1
    return tvm.ir.load_json(json.dumps(graph))


def function_digest(func: tvm.tirx.PrimFunc) -> str:
    """SHA-256 of a normalised function's text, in hex."""
    return hashlib.sha256(func.script(show_meta=True).encode()).hexdigest()


def module_digest(mod: tvm.IRModule) -> str:
    """SHA-256 of a module's text, constants included, in hex."""
    return hashlib.sha256(rename_variables(mod).script(show_meta=True).encode()).hexdigest()
