"""From an imported model to the module that all its buckets are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relax

from tuner.graph.bags import rewrite_bags
from tuner.graph.concats import ConcatRewriter
from tuner.graph.dense import DenseRewriter, WeightLayout
from tuner.graph.pairs import rewrite_pairs
from tuner.graph.products import rewrite_products
from tuner.graph.reshapes import rewrite_reshapes
from tuner.graph.rewrite import rewrite_calls
from tuner.graph.softmaxes import rewrite_softmaxes
from tuner.graph.splits import lower_splits
from tuner.graph.tidy import tidy
from tuner.importers.model import ImportedModel


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A model whose products are ours and whose weights are packed; batch still open."""

    model: ImportedModel
    #: ``main`` takes the model's inputs and then one tensor per entry of `layouts`.
    mod: tvm.IRModule
    layouts: tuple[WeightLayout, ...]

    def pack(self, weights: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Bring weights into the form the kernels read, in the order of ``main``."""
        return [layout.pack(weights[layout.param]) for layout in self.layouts]


#: In this order: each sees what those before it made.
_REWRITERS = (
    rewrite_pairs,
    rewrite_products,
    rewrite_reshapes,
    rewrite_bags,
    rewrite_reshapes,
    rewrite_softmaxes,
)


def prepare(model: ImportedModel) -> PreparedModel:
    """Rewrite dense layers, products, bags, softmaxes and concatenations into our operators."""
    count = len(model.inputs)
    main = model.mod["main"]
    names = dict(zip(main.params[count:], model.params, strict=True))
    plain = [
        WeightLayout(name, "plain", False, tuple(int(d) for d in v.ty.shape), str(v.ty.dtype))
        for v, name in names.items()
    ]
    dense = DenseRewriter(names)
    mod = rewrite_calls(lower_splits(model.mod), dense)
    mod = _with_parameters(mod, [var for var, _ in dense.packed.values()])
    for rewriter in (*_REWRITERS, ConcatRewriter()):
        mod = rewrite_calls(mod, rewriter)
    mod = relax.transform.EliminateCommonSubexpr()(mod)
    layouts = [*plain, *(layout for _, layout in dense.packed.values())]
    mod, used = tidy(mod, count)
    kept = tuple(layout for layout, keep in zip(layouts, used, strict=True) if keep)
    return PreparedModel(model, mod, kept)


def _with_parameters(mod: tvm.IRModule, extra: list[relax.Var]) -> tvm.IRModule:
    main = mod["main"]
    mod = tvm.IRModule(dict(mod.functions_items()), attrs=mod.attrs)
    mod["main"] = relax.Function(
        [*main.params, *extra], main.body, main.ret_ty, main.is_pure, main.attrs
    )
    return mod
