"""Reads the graph of a ``.pt2`` archive as it is stored, for models of plain operators.

``torch.export.load`` and ``run_decompositions`` trace the whole model with symbolic shapes, seconds
for a graph that is one table of nodes on disk. Operators that mean the same to TVM before and
after that are taken from the table; a model with any other goes through torch.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

#: ``ScalarType`` of ``torch/_export/serde/schema.py`` to numpy.
DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64",
    6: "float16", 7: "float32", 8: "float64", 12: "bool",
}  # fmt: skip
#: Operators that change nothing they are given, and that TVM converts to what it makes of their
#: decomposition.
PLAIN = frozenset(
    f"torch.ops.aten.{name}"
    for name in (
        "add.Tensor",
        "arange.start_step",
        "bmm.default",
        "cat.default",
        "div.Tensor",
        "embedding_bag.padding_idx",
        "index.Tensor",
        "linear.default",
        "mul.Tensor",
        "relu.default",
        "reshape.default",
        "select.int",
        "sigmoid.default",
        "slice.Tensor",
        "squeeze.dim",
        "stack.default",
        "sub.Tensor",
        "sym_numel.default",
        "sym_size.int",
        "tanh.default",
        "transpose.int",
        "unsqueeze.default",
        "view.default",
    )
)
#: Those that may scale their second operand.
_ARITHMETIC = ("add.Tensor", "sub.Tensor")
#: Those that read tensors of several dtypes, and make the first one's; no other plain one may.
_PICKING = ("embedding_bag.padding_idx", "index.Tensor")
#: Inputs of the graph that the file holds, and where it says what they are called.
_HELD = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}
_SYMBOL = re.compile(r"Symbol\('(\w+)'[^()]*\)")


#: Shape, whose open extents are names, and numpy dtype.
Tensor = tuple[tuple[int | str, ...], str]


class NotPlain(Exception):
    """A graph that only torch understands in full; the text says why."""


@dataclass(frozen=True, slots=True)
class StoredGraph:
    """The graph of a file, in the form that TVM's importer walks."""

    #: A ``torch.fx.Graph``; every tensor of it has its shape in ``meta["val"]``.
    graph: Any
    #: Shape and numpy dtype of each input of the user, by name; open extents are names.
    inputs: Mapping[str, Tensor]
    #: The same of each weight and constant, in the order of the graph's inputs.
    others: Mapping[str, Tensor]
    #: Qualified name of each weight, by the name of its graph input.
    weights: Mapping[str, str]
    #: What the model reads beside its weights, by the name of its graph input.
    constants: Mapping[str, np.ndarray]
    #: Smallest and largest value of each open extent; None where there is no largest.
    ranges: Mapping[str, tuple[int, int | None]]


def read_stored(
    program: Mapping[str, Any],
    weights: Mapping[str, np.ndarray],
    constants: Mapping[str, np.ndarray],
) -> StoredGraph:
    """Read ``models/model.json`` of an archive.

    Parameters
    ----------
    weights, constants
        Of the archive, by qualified name.

    Raises
    ------
    NotPlain
        If it holds anything but plain operators over inputs and weights.
    """
    signature = program["graph_module"]["signature"]
    reader = _Reader(program["graph_module"]["graph"])
    inputs: dict[str, Tensor] = {}
    others: dict[str, Tensor] = {}
    names: dict[str, str] = {}
    fixed: dict[str, np.ndarray] = {}
    for spec in signature["input_specs"]:
        ((kind, value),) = spec.items()
        if kind == "user_input":
            if "as_tensor" not in value["arg"]:
                raise NotPlain("an input is no tensor")
            name = str(value["arg"]["as_tensor"]["name"])
            inputs[name] = reader.tensor(name)
        elif kind in _HELD:
            name, qualified = str(value["arg"]["name"]), str(value[_HELD[kind]])
            if kind == "tensor_constant" or not value.get("persistent", True):
                held = fixed[name] = constants[qualified]
            else:
                names[name], held = qualified, weights[qualified]
            others[name] = held.shape, str(held.dtype)
        else:
            raise NotPlain(f"an input is a {kind}")
        reader.placeholder(name)
    if any(set(spec) != {"user_output"} for spec in signature["output_specs"]):
        raise NotPlain("the model changes what it is given")
    ranges = {
        str(name): (int(bounds["min_val"] or 0), bounds["max_val"])
        for name, bounds in program["range_constraints"].items()
    }
    return StoredGraph(reader.read(), inputs, others, names, fixed, ranges)


class _Reader:
    """Turns one graph's JSON into nodes of ``torch.fx``."""

    def __init__(self, graph: Mapping[str, Any]) -> None:
        import torch.fx

        self._json, self._graph = graph, torch.fx.Graph()
        self._nodes: dict[str, Any] = {}

    def tensor(self, name: str) -> Tensor:
        """Shape and dtype of a tensor.

        Raises
        ------
        NotPlain
            If an extent is derived from others.
        """
        meta = self._json["tensor_values"][name]
        return tuple(self._extent(size) for size in meta["sizes"]), self._dtype(name)

    def _dtype(self, name: str) -> str:
        dtype = DTYPES.get(self._json["tensor_values"][name]["dtype"])
        if dtype is None:
            raise NotPlain(f"{name} is of a kind that numpy lacks")
        return dtype

    def placeholder(self, name: str) -> None:
        """Add an input."""
        node = self._graph.placeholder(name)
        node.name = name
        self._keep(name, node)

    def read(self) -> Any:
        """Add all nodes; returns the graph."""
        for node in self._json["nodes"]:
            self._call(node)
        outputs = [self._argument(output) for output in self._json["outputs"]]
        self._graph.output(tuple(outputs))
        # A bag has results that only training reads.
        self._graph.eliminate_dead_code()
        return self._graph

    def _call(self, node: Mapping[str, Any]) -> None:
        target = self._target(str(node["target"]))
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for item in node["inputs"]:
            value = self._argument(item["arg"])
            if item["kind"] == 1:
                args.append(value)
            else:
                kwargs[item["name"]] = value
        self._check(node, args)
        made = self._graph.call_function(target, tuple(args), kwargs)
        if len(node["outputs"]) == 1:
            self._keep(_name(node["outputs"][0]), made)
            return
        for i, output in enumerate(node["outputs"]):
            self._keep(_name(output), self._graph.call_function(operator.getitem, (made, i)))

    def _check(self, node: Mapping[str, Any], args: list[Any]) -> None:
        """Forms of plain operators that torch takes apart in other ways."""
        name = str(node["target"]).removeprefix("torch.ops.aten.")
        if name == "linear.default" and len(args[0].meta["val"].shape) != 2:
            raise NotPlain("a linear layer over more than rows")
        if name == "embedding_bag.padding_idx" and args[8] is not None:
            raise NotPlain("a bag with padding")
        if name in _ARITHMETIC and len(node["inputs"]) > 2:
            raise NotPlain(f"{name} with a factor")
        if name not in _PICKING and len(kinds := self._dtypes(node)) > 1:
            raise NotPlain(f"{name} converts {' and '.join(sorted(kinds))}")

    def _dtypes(self, node: Mapping[str, Any]) -> set[str]:
        """Of the tensors that a node reads and makes."""
        values = [i["arg"] for i in node["inputs"]] + list(node["outputs"])
        single = [v["as_tensor"] for v in values if "as_tensor" in v]
        several = [t for v in values for t in v.get("as_tensors", ())]
        return {self._dtype(str(tensor["name"])) for tensor in (*single, *several)}

    def _keep(self, name: str, node: Any) -> None:
        self._nodes[name] = node
        if name in self._json["tensor_values"]:
            sizes = self._json["tensor_values"][name]["sizes"]
            shape = tuple(size.get("as_int", "open") for size in sizes)
            node.meta["val"] = SimpleNamespace(shape=shape)

    def _target(self, name: str) -> Callable[..., Any]:
        import torch

        if name == "_operator.mul":
            return operator.mul
        if name not in PLAIN:
            raise NotPlain(name)
        operation, overload = name.removeprefix("torch.ops.aten.").split(".")
        found: Callable[..., Any] = getattr(getattr(torch.ops.aten, operation), overload)
        return found

    def _argument(self, argument: Mapping[str, Any]) -> Any:
        ((kind, value),) = argument.items()
        if kind == "as_tensor":
            return self._nodes[value["name"]]
        if kind == "as_tensors":
            return [self._nodes[v["name"]] for v in value]
        if kind in ("as_optional_tensors", "as_sym_ints"):
            return [self._argument(v) for v in value]
        if kind == "as_sym_int":
            return self._argument(value)
        if kind == "as_name":
            return self._nodes[value]
        if kind == "as_none":
            return None
        if kind in ("as_int", "as_ints", "as_float", "as_bool"):
            return value
        if kind in ("as_scalar_type", "as_device"):
            return self._option(kind, value)
        raise NotPlain(f"an argument {kind}")

    def _option(self, kind: str, value: Any) -> Any:
        import torch

        if kind == "as_device":
            if value["type"] != "cpu":
                raise NotPlain(f"a device {value['type']}")
            return torch.device("cpu")
        if value not in DTYPES:
            raise NotPlain(f"a scalar type {value}")
        return getattr(torch, DTYPES[value])

    def _extent(self, size: Mapping[str, Any]) -> int | str:
        if "as_int" in size:
            return int(size["as_int"])
        match = _SYMBOL.fullmatch(str(size["as_expr"]["expr_str"]))
        if match is None:
            raise NotPlain("an extent that is derived from others")
        return match[1]


def _name(output: Mapping[str, Any]) -> str:
    """What the nodes behind it call a result."""
    ((kind, value),) = output.items()
    if kind == "as_tensor":
        return str(value["name"])
    if kind == "as_sym_int" and "as_name" in value:
        return str(value["as_name"])
    raise NotPlain(f"a result {kind}")
