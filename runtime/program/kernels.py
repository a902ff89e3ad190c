"""Kernels as plain functions over addresses: no tensors to unpack, nothing allocated."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import PointerType, PrimType
from tvm.tirx.buffer import is_buffer_var
from tvm_ffi import structural_map

from runtime.program.by_rows import ByRows, cut_short

#: TVM puts smaller temporaries of a fixed size on the stack.
_STACK_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel's code."""

    #: What it is called by.
    symbol: str
    #: An object file.
    code: bytes
    #: Bytes of each temporary that it takes an address for, behind its arguments.
    scratch: tuple[int, ...]
    #: It takes the number of rows behind its arguments, a multiple of this; 0 if it takes none.
    step: int = 0


def build_kernel(symbol: str, func: tirx.PrimFunc, target: tvm.target.Target) -> Kernel:
    """Compile a scheduled function to a function ``(address of argument..., of temporary...)``.

    Each kernel is a module of its own. TVM marks accesses by different variables as never
    aliasing, which holds within a kernel; were kernels that pass an activation on inlined side by
    side, LLVM would move the reads of one before the writes of the other.
    """
    return _compiled(symbol, _lowered(func, target), target)


def build_by_rows(symbol: str, shorter: ByRows, target: tvm.target.Target) -> Kernel | None:
    """Compile ``(address of argument..., rows, address of temporary...)``.

    Returns
    -------
    None if the way its loops are lowered does not let them end early.
    """
    func = cut_short(_lowered(shorter.func, target), shorter.loops)
    return None if func is None else replace(_compiled(symbol, func, target), step=shorter.step)


def _lowered(func: tirx.PrimFunc, target: tvm.target.Target) -> tirx.PrimFunc:
    var = tvm.ir.GlobalVar("kernel")
    # TVM takes the only function of a module for its entry, and compiles it once more as such.
    mod = lower(tvm.IRModule({var: _over_addresses(func)}), target)
    return mod[var].without_attr("tirx.is_entry_func")


def _compiled(symbol: str, func: tirx.PrimFunc, target: tvm.target.Target) -> Kernel:
    func, scratch = _without_allocations(func)
    named = func.with_attr("global_symbol", symbol)
    code = generate(tvm.IRModule({tvm.ir.GlobalVar(symbol): named}), target)
    return Kernel(symbol, code, scratch)


def generate(mod: tvm.IRModule, target: tvm.target.Target) -> bytes:
    """Run the last passes and LLVM; returns an object file."""
    _, finish, _ = tirx.get_default_tir_pipeline(target)
    built = tvm.get_global_func("target.build.llvm")(finish()(mod), target)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "code.o"
        built.write_to_file(str(path), "o")
        return path.read_bytes()


def lower(mod: tvm.IRModule, target: tvm.target.Target) -> tvm.IRModule:
    """Run TVM's passes up to those that finish a host's functions."""
    pipeline, _, _ = tirx.get_default_tir_pipeline(target)
    # LLVM finds common subexpressions itself, in less time.
    with target, tvm.transform.PassContext(config={"tirx.disable_cse_tir": True}):
        return pipeline(tirx.transform.BindTarget(target.with_host(target))(mod))


def address(dtype: str, name: str) -> tirx.Var:
    """A parameter that holds the address of elements of `dtype`."""
    return tirx.Var(name, PointerType(PrimType(dtype)))


def _over_addresses(func: tirx.PrimFunc) -> tirx.PrimFunc:
    if not any(is_buffer_var(p) for p in func.params):
        return func.without_attr("global_symbol")
    at = {p: address(str(p.ty.dtype), f"{p.name}_at") for p in func.params if is_buffer_var(p)}
    params = [at.get(p, p) for p in func.params]
    views = [tirx.DeclBuffer(p, data=pointer) for p, pointer in at.items()]
    body = func.body
    if isinstance(body, s_tir.SBlockRealize) and str(body.block.name_hint) == "root":
        block = body.block
        inner = s_tir.SBlock(
            block.iter_vars,
            block.reads,
            block.writes,
            block.name_hint,
            tirx.SeqStmt([*views, block.body]),
            block.init,
            block.alloc_buffers,
            block.match_buffers,
            block.annotations,
        )
        body = s_tir.SBlockRealize(body.iter_values, body.predicate, inner)
    else:
        body = tirx.SeqStmt([*views, body])
    return tirx.PrimFunc(params, body, func.ret_type, func.attrs).without_attr("global_symbol")


def _without_allocations(func: tirx.PrimFunc) -> tuple[tirx.PrimFunc, tuple[int, ...]]:
    """Turn temporaries that TVM would allocate in each call into parameters."""
    #: By buffer: loops that TVM takes apart allocate the same one in each part.
    sizes: dict[tirx.Var, int] = {}

    def note(stmt: tirx.AllocBuffer) -> None:
        if _size(stmt) >= _STACK_BYTES:
            sizes[stmt.buffer] = _size(stmt)

    tvm_ffi.structural_walk(func.body, (tirx.AllocBuffer, note))
    if not sizes:
        return func, ()
    params = {b: address(str(b.ty.dtype), f"{b.name}_at") for b in sizes}

    def view(stmt: tirx.AllocBuffer) -> tirx.Stmt:
        at = params.get(stmt.buffer)
        return stmt if at is None else tirx.DeclBuffer(stmt.buffer, data=at)

    body = structural_map(func.body, (tirx.AllocBuffer, view))
    new = tirx.PrimFunc([*func.params, *params.values()], body, func.ret_type, func.attrs)
    return new, tuple(sizes.values())


def _size(stmt: tirx.AllocBuffer) -> int:
    dtype = stmt.buffer.ty.dtype
    scalar, _, lanes = str(dtype).partition("x")
    count = prod(int(d) for d in stmt.buffer.ty.shape)
    return count * int(lanes or 1) * np.dtype(scalar).itemsize
