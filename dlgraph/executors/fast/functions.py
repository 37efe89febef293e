"""exp, log, tanh and their kin for vectors: polynomials, written once for float32 and float64.

LLVM has no vector versions of these functions; it would call the C library for every element, which
makes a chain ten times slower.  The formulas use only what an `Element` offers, and the bits of
floats.  All are within a few units in the last place over the whole range, denormal numbers,
infinities and NaN included (`tests/executors/test_fast_functions.py` holds each against NumPy in
float64).  Sources: W. J. Cody and W. Waite, "Software manual for the elementary functions" (1980),
for the reduction of arguments; the Cephes library (S. Moshier) for the polynomials of float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.ops.scalar import Element, where


class Function(NamedTuple):
    """A vector function, and the element types for which it is good."""

    function: Callable[..., Element]
    dtypes: tuple[str, ...] = ("float32", "float64")


DEFINED: dict[str, Function] = {}


def _define(*dtypes: str) -> Callable[[Callable[..., Element]], Callable[..., Element]]:
    def declare(function: Callable[..., Element]) -> Callable[..., Element]:
        facts = (dtypes,) if dtypes else ()
        DEFINED[function.__name__.lstrip("_")] = Function(function, *facts)
        return function

    return declare


def polynomial(x: Element, coefficients: Sequence[float]) -> Element:
    """Horner's scheme, highest power first."""
    result: Any = x.like(coefficients[0])
    for c in coefficients[1:]:
        result = result * x + c
    return result


class Format(NamedTuple):
    """The facts about a floating point type that the formulas need."""

    mantissa: int  # bits behind the point
    bias: int
    whole: float  # added and subtracted again, it rounds to a whole number
    low: float  # exp is 0 below, infinite above `high`
    high: float
    ln2: tuple[float, float]  # the first part has few bits: a whole number times it is exact
    small: float  # the smallest normal number
    exp: tuple[float, ...]  # (e^r - 1 - r) / r^2
    log: tuple[float, ...]


_TAYLOR = tuple(1 / math.factorial(k) for k in range(14, 1, -1))
_SINGLE = Format(
    23,
    127,
    12582912.0,
    -104.0,
    89.0,
    (0.693359375, -2.12194440e-4),
    float(np.finfo(np.float32).tiny),
    (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    ),
    (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ),
)
_DOUBLE = Format(
    52,
    1023,
    6755399441055744.0,
    -746.0,
    710.0,
    (6.93145751953125e-1, 1.42860682030941723212e-6),
    float(np.finfo(np.float64).tiny),
    _TAYLOR,
    tuple(2 / k for k in range(23, 1, -2)),
)


def _format(x: Element) -> Format:
    return _SINGLE if x.dtype.itemsize == 4 else _DOUBLE


class Bits:
    """Integers with the bits of floats; arithmetic on exponents."""

    def __init__(self, like: Element, handle: Any):
        self.like, self.handle = like, handle
        self.builder: Any = like.builder
        self.dtype = np.dtype(f"i{like.dtype.itemsize}")

    @classmethod
    def of(cls, x: Element) -> Bits:
        """The bits of a float."""
        builder: Any = x.builder
        return cls(x, builder.bits(x.handle, x.dtype))

    def _made(self, handle: Any) -> Bits:
        return Bits(self.like, handle)

    def plus(self, other: Bits | int, name: str = "add") -> Bits:
        """The sum."""
        held = other.handle if isinstance(other, Bits) else self.builder.constant(other, self.dtype)
        return self._made(self.builder.arithmetic(name, self.dtype, self.handle, held))

    def minus(self, other: Bits | int) -> Bits:
        """The difference."""
        return self.plus(other, "sub")

    def shifted(self, left: int) -> Bits:
        """Shifted to the left, or (negative) to the right, keeping the sign."""
        name = "shl" if left > 0 else "ashr"
        return self._made(self.builder.shift(name, self.handle, abs(left), self.dtype))

    def number(self) -> Element:
        """The integers converted to floats."""
        made = self.builder.convert(self.handle, self.dtype, self.like.dtype)
        return Element(self.builder, self.like.dtype, made)

    def float(self) -> Element:
        """The floats with these bits."""
        made = self.builder.from_bits(self.handle, self.like.dtype)
        return Element(self.builder, self.like.dtype, made)

    def power_of_two(self, form: Format) -> Element:
        """2 to the power of each integer, as long as that is a normal number."""
        return self.plus(form.bias).shifted(form.mantissa).float()


def _between(x: Element, low: float, high: float) -> Element:
    """Brought into an interval; NaN stays NaN."""
    x = where(x < low, low, x)
    return where(x > high, high, x)


def _reduced(x: Element, form: Format) -> tuple[Bits, Element]:
    """x = n ln 2 + r with |r| <= ln(2) / 2: n as an integer, and r."""
    shifted = x * math.log2(math.e) + form.whole
    n = shifted - form.whole
    count = Bits.of(shifted).minus(bits_of_constant(form.whole, x.dtype))
    return count, x - n * form.ln2[0] - n * form.ln2[1]


def bits_of_constant(value: float, dtype: np.dtype) -> int:
    """The bits of a number, as an integer."""
    return int(dtype.type(value).view(f"i{dtype.itemsize}"))


@_define()
def _exp(x: Element) -> Element:
    form = _format(x)
    n, r = _reduced(_between(x, form.low, form.high), form)
    y = polynomial(r, form.exp) * (r * r) + r + 1
    # Two factors: 2^n itself may be too large or too small for a normal number.
    half = n.shifted(-1)
    return y * half.power_of_two(form) * n.minus(half).power_of_two(form)


@_define()
def _expm1(x: Element) -> Element:
    form = _format(x)
    n, r = _reduced(_between(x, -18.0 if form is _SINGLE else -38.0, form.high), form)
    y = polynomial(r, form.exp) * (r * r) + r
    scale = n.minus(1).power_of_two(form)  # half of 2^n, which may itself be too large
    found = (y * scale + (scale - 0.5)) * 2
    return where(abs(x) < form.small, x, found)


@_define()
def _log(x: Element) -> Element:
    form = _format(x)
    tiny = x < form.small
    lifted = where(tiny, x * 2.0**form.mantissa, x)
    # The exponent such that what is left lies between the roots of 1/2 and 2.
    middle = bits_of_constant(math.sqrt(0.5), x.dtype)
    bits = Bits.of(lifted)
    exponent = bits.minus(middle).shifted(-form.mantissa)
    rest = bits.minus(exponent.shifted(form.mantissa)).float() - 1
    e = exponent.number()
    e = where(tiny, e - form.mantissa, e)
    y = _log_near_one(rest, e, form)
    y = where(x < math.inf, y, x)  # infinity and NaN stay
    return where(x == 0, -math.inf, where(x < 0, math.nan, y))


def _log_near_one(f: Element, e: Element, form: Format) -> Element:
    """ln(1 + f) + e ln 2."""
    if form is _SINGLE:
        square = f * f
        tail = polynomial(f, form.log) * (f * square) + e * form.ln2[1] - 0.5 * square
        return (f + tail) + e * form.ln2[0]
    # ln(1 + f) = 2 artanh(s) with s = f / (2 + f)
    s = f / (f + 2)
    square = s * s
    half = 0.5 * f * f
    tail = s * (polynomial(square, form.log) * square + half) + e * form.ln2[1]
    return e * form.ln2[0] - ((half - tail) - f)


@_define()
def _log1p(x: Element) -> Element:
    # The rounding error of 1 + x is made good by the quotient (Kahan).
    u = x + 1
    y = _log(u) * (x / (u - 1))
    return where(u == 1, x, where(x == math.inf, x, y))


_TANH = (
    -2.76076847742355e-16,
    2.00018790482477e-13,
    -8.60467152213735e-11,
    5.12229709037114e-08,
    1.48572235717979e-05,
    6.37261928875436e-04,
    4.89352455891786e-03,
)
_TANH_BELOW = (
    1.19825839466702e-06,
    1.18534705686654e-04,
    2.26843463243900e-03,
    4.89352518554385e-03,
)
_TANH_END = 7.99881172180175781  # from here on the quotient rounds to 1


@_define()
def _tanh(x: Element) -> Element:
    if _format(x) is _SINGLE:  # a minimax quotient, as in the Eigen library
        held = _between(x, -_TANH_END, _TANH_END)
        square = held * held
        return held * (polynomial(square, _TANH) / polynomial(square, _TANH_BELOW))
    t = _expm1(_between(x, -20.0, 20.0) * 2)
    return t / (t + 2)


@_define("float32")
def _erf(x: Element) -> Element:
    # Near 0 a polynomial, beyond 1 - exp of one: N. Juffa's minimax coefficients.
    t = abs(x)
    s = x * x
    inner = polynomial(
        s,
        (
            -5.96761703e-4,
            4.99119423e-3,
            -2.67681349e-2,
            1.12819925e-1,
            -3.76125336e-1,
            1.28379166e-1,
        ),
    )
    held = where(t > 4.0, 4.0, t)
    outer = polynomial(
        held,
        (
            -1.72853470e-5,
            3.83197126e-4,
            -3.88396438e-3,
            2.42546219e-2,
            -1.06777877e-1,
            -6.34846687e-1,
            -1.28717512e-1,
        ),
    )
    far = 1 - _exp(outer * held - held)
    return where(t > 0.927734375, where(x < 0, -far, far), inner * x + x)
