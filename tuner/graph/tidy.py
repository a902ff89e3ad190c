"""Removes what an import leaves behind: dead bindings, and parameters that nothing reads."""

from __future__ import annotations

import tvm
from tvm import relax

from tuner.graph.constants import fold_constants
from tuner.graph.gathers import lower_takes


def tidy(mod: tvm.IRModule, num_inputs: int) -> tuple[tvm.IRModule, list[bool]]:
    """Drop dead code and unused parameters of ``main``; its user inputs all stay.

    Returns
    -------
    The module, and for each parameter behind the inputs whether it is still there.
    """
    mod = tvm.transform.Sequential(
        [
            relax.transform.CanonicalizeBindings(),
            relax.transform.DeadCodeElimination(["main"]),
        ]
    )(mod)
    mod = fold_constants(lower_takes(mod))
    mod = relax.transform.DeadCodeElimination(["main"])(mod)
    main = mod["main"]
    read = set(relax.analysis.free_vars(main.body))
    used = [var in read for var in main.params[num_inputs:]]
    kept = list(main.params[:num_inputs]) + [
        var for var, keep in zip(main.params[num_inputs:], used, strict=True) if keep
    ]
    mod = tvm.IRModule(dict(mod.functions_items()), attrs=mod.attrs)
    mod["main"] = (
        relax.Function(kept, main.body, main.ret_ty, main.is_pure)
        .with_attr("global_symbol", "main")
        .with_attr("num_input", num_inputs)
    )
    return mod, used
