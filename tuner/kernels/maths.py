"""Functions of float32 that LLVM would call a library for, lane by lane, as arithmetic.

LLVM cuts ``exp`` of a register into one library call for each lane, which takes sixty times as
long as the arithmetic below. Whatever a schedule leaves of these calls is replaced: polynomials
and fractions within two units in the last place or so, right at the edges too (infinities, NaN,
subnormal numbers, overflow).

Sources: ``exp`` and ``log`` are those of Moshier's Cephes library (``expf.c``, ``logf.c``), the
range of ``log`` is reduced as in musl; ``tanh`` and ``erf`` are the fractions that Eigen uses
(``MathFunctionsImpl.h``, ``SpecialFunctionsImpl.h``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import tvm
from tvm import tirx
from tvm_ffi import structural_map

#: TVM's expressions carry no types.
Expr: TypeAlias = Any

_FLOAT, _INT = "float32", "int32"
_INFINITY, _NAN = float("inf"), float("nan")

_LOG2_E = 1.44269504088896341
#: ln 2 in two parts, of which the first times any exponent is exact.
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
#: Beyond these, ``exp`` is 0 and infinity.
_EXP_LEAST, _EXP_MOST = -104.0, 88.8
_EXP = (
    *(1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3),
    *(4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
)
_LOG = (
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
#: Beyond it ``tanh`` is 1 to the last place.
_TANH_MOST = 7.90531110763549805
_TANH = (
    *(-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08),
    *(1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03),
)
_TANH_BELOW = (
    *(1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03),
)
_ERF_MOST = 4.0
_ERF = (
    *(-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05),
    *(-7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02),
)
_ERF_BELOW = (
    *(-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03),
    *(-7.37332916720468e-03, -1.42647390514189e-02),
)

#: Bits of float32: the mantissa, where the exponent starts, its bias, and 1 and sqrt(0.5).
_MANTISSA_MASK, _MANTISSA, _BIAS = 0x007FFFFF, 23, 127
_ONE_BITS, _SQRT_HALF_BITS = 0x3F800000, 0x3F3504F3
#: The least number that is not subnormal.
_LEAST_NORMAL = 1.17549435e-38


def replace_calls(mod: tvm.IRModule) -> tvm.IRModule:
    """Replace the calls of a scheduled ``main``, wherever they stand."""
    func = mod["main"]
    body = structural_map(func.body, (tvm.ir.Call, _replaced))
    return tvm.IRModule({"main": func.with_body(body)})


def _replaced(call: tvm.ir.Call) -> Expr:
    name = str(getattr(call.op, "name", ""))
    # Addresses and the like have no such type.
    if str(getattr(call.ty, "dtype", "")) != _FLOAT:
        return call
    if name == "tirx.pow":
        return _power(call)
    known = _FUNCTIONS.get(name)
    return call if known is None else _with(call.args[0], known)


def _power(call: tvm.ir.Call) -> Expr:
    """Small whole powers as products; others stay."""
    base, exponent = call.args
    if not isinstance(exponent, tirx.FloatImm) or float(exponent) not in (2.0, 3.0, 4.0):
        return call

    def product(x: Expr) -> Expr:
        square = x * x
        return {2.0: square, 3.0: square * x, 4.0: square * square}[float(exponent)]

    return _with(base, product)


def _with(value: Expr, use: Callable[[Expr], Expr], dtype: str = _FLOAT) -> Expr:
    """What `use` makes of a value that is computed once."""
    variable = tirx.Var("t", dtype)
    return tirx.Let(variable, value, use(variable))


def _number(value: float) -> Expr:
    return tirx.const(value, _FLOAT)


def _integer(value: int) -> Expr:
    return tirx.const(value, _INT)


def _as(dtype: str, value: Expr) -> Expr:
    """The same bits as another type."""
    return tirx.call_intrin(dtype, "tirx.reinterpret", value)


def _polynomial(x: Expr, coefficients: Sequence[float]) -> Expr:
    total = _number(coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + _number(coefficient)
    return total


def _clamped(x: Expr, least: float, most: float) -> Expr:
    # In this order of operands NaN stays NaN: each gives its second one unless the first is less,
    # or more.
    return tirx.max(_number(least), tirx.min(_number(most), x))


def _exp(x: Expr) -> Expr:
    """``2^n * exp(r)`` with ``|r| <= ln(2) / 2``."""

    def scaled(x: Expr) -> Expr:
        # LLVM has an instruction for `round`, but none for TVM's `nearbyint`.
        n = tirx.call_intrin(_FLOAT, "tirx.round", x * _number(_LOG2_E))
        return _with(n, lambda n: of_rest(x - n * _number(_LN2_HIGH) - n * _number(_LN2_LOW), n))

    def of_rest(rest: Expr, n: Expr) -> Expr:
        return _with(rest, lambda r: times_power(_polynomial(r, _EXP) * (r * r) + r + 1.0, n))

    def times_power(value: Expr, n: Expr) -> Expr:
        # In two steps: 2^n itself may be too large, or subnormal.
        def halves(n: Expr) -> Expr:
            half = tirx.shift_right(n, _integer(1))
            return _with(half, lambda h: value * _power_of_two(h) * _power_of_two(n - h), _INT)

        return _with(tirx.Cast(_INT, n), halves, _INT)

    return _with(_clamped(x, _EXP_LEAST, _EXP_MOST), scaled)


def _power_of_two(n: Expr) -> Expr:
    return _as(_FLOAT, tirx.shift_left(n + _integer(_BIAS), _integer(_MANTISSA)))


def _sigmoid(x: Expr) -> Expr:
    return _number(1.0) / (_number(1.0) + _exp(_number(0.0) - x))


def _log(x: Expr) -> Expr:
    """``n ln 2 + log(m)`` with ``m`` between the roots of 1/2 and 2."""

    def of_bits(bits: Expr, less: Expr) -> Expr:
        n = tirx.Cast(_FLOAT, tirx.shift_right(bits, _integer(_MANTISSA)) - _integer(_BIAS) - less)
        low = tirx.bitwise_and(bits, _integer(_MANTISSA_MASK)) + _integer(_SQRT_HALF_BITS)
        rest = _as(_FLOAT, low) - _number(1.0)
        return _with(n, lambda n: _with(rest, lambda r: of_rest(r, n)))

    def of_rest(r: Expr, n: Expr) -> Expr:
        square = r * r
        small = _polynomial(r, _LOG) * r * square + n * _number(_LN2_LOW) - square * _number(0.5)
        return small + r + n * _number(_LN2_HIGH)

    tiny = x < _number(_LEAST_NORMAL)
    normal = tirx.Select(tiny, x * _number(float(1 << _MANTISSA)), x)
    bits = _as(_INT, normal) + _integer(_ONE_BITS - _SQRT_HALF_BITS)
    less = tirx.Select(tiny, _integer(_MANTISSA), _integer(0))
    value = _with(bits, lambda b: of_bits(b, less), _INT)
    finite = tirx.Select(x < _number(_INFINITY), value, x)
    none = tirx.Select(x < _number(0.0), _number(_NAN), _number(-_INFINITY))
    return tirx.Select(x <= _number(0.0), none, finite)


def _tanh(x: Expr) -> Expr:
    def fraction(x: Expr) -> Expr:
        return _with(x * x, lambda s: x * _polynomial(s, _TANH) / _polynomial(s, _TANH_BELOW))

    return _with(_clamped(x, -_TANH_MOST, _TANH_MOST), fraction)


def _erf(x: Expr) -> Expr:
    def fraction(x: Expr) -> Expr:
        return _with(x * x, lambda s: x * _polynomial(s, _ERF) / _polynomial(s, _ERF_BELOW))

    return _with(_clamped(x, -_ERF_MOST, _ERF_MOST), fraction)


def _rsqrt(x: Expr) -> Expr:
    # TVM's own does not become a vector.
    return _number(1.0) / tirx.sqrt(x)


_FUNCTIONS: dict[str, Callable[[Expr], Expr]] = {
    "tirx.erf": _erf,
    "tirx.exp": _exp,
    "tirx.log": _log,
    "tirx.rsqrt": _rsqrt,
    "tirx.sigmoid": _sigmoid,
    "tirx.tanh": _tanh,
}
