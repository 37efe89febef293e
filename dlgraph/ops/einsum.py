r"""Einstein summation: any product of arrays summed over shared letters.

`einsum("ik,kj->ij", a, b)` names the axes of every operand; letters that the output lacks are
summed over.  The primitive knows plain letters only; the function in front of it writes out `...`,
the implicit output and diagonals ("ii").  The gradient of an einsum is an einsum: the gradient
takes the place of the output, and the operand that is differentiated becomes the output.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.explain import describe_operand
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import Dim, Spec, common_dtype, normalise_axis, same_shape, show_shape
from dlgraph.errors import OperationError, ShapeError
from dlgraph.ops.diagonal import diagonal
from dlgraph.ops.reduce import broadcast_like
from dlgraph.ops.shape import expand_dims, reshape, squeeze


def _split(subscripts: str) -> tuple[list[str], str]:
    inputs, output = subscripts.split("->")
    return inputs.split(","), output


def _sizes(terms: Sequence[str], shapes: Sequence[tuple]) -> dict[str, int]:
    """The size of every letter, of arrays that are there."""
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            held = sizes.setdefault(letter, size)
            if held != size:
                raise _two_sizes(letter, held, size)
    return sizes


def _two_sizes(letter: str, held: Any, size: Any) -> ShapeError:
    return ShapeError(
        f"the letter {letter!r} stands for axes of sizes {held} and {size}", where=None
    )


def _einsum_spec(*xs: Spec, subscripts: str) -> Spec:
    terms, output = _split(subscripts)
    sizes: dict[str, Any] = {}  # some may be known only at run time
    for term, x in zip(terms, xs, strict=True):
        for letter, size in zip(term, x.shape, strict=True):
            held = sizes.setdefault(letter, size)
            if not same_shape((held,), (size,)):
                raise _two_sizes(letter, held, size)
            sizes[letter] = size if isinstance(held, Dim) else held
    return Spec(tuple(sizes[letter] for letter in output), common_dtype(x.dtype for x in xs))


@primitive(
    name="einsum",
    kind="contract",
    infer=_einsum_spec,
    promotes=(0,),
    text="einsum({xs})",
    onnx="Einsum",
)
def _einsum(xp: Any, *xs: Any, subscripts: str) -> Any:
    """A sum of products over letters: distinct within each operand, all named in the output."""
    terms, output = _split(subscripts)
    work = list(zip(terms, xs, strict=True))
    while len(work) > 2:
        # The cheapest pair first, by the elements that its product has.
        i, j = _cheapest(work, output)
        (a, x), (b, y) = work[i], work[j]
        rest = [pair for k, pair in enumerate(work) if k not in (i, j)]
        kept = set(output).union(*(term for term, _ in rest))
        term = "".join(letter for letter in dict.fromkeys(a + b) if letter in kept)
        work = [*rest, (term, _pair(xp, a, x, b, y, term))]
    if len(work) == 1:
        term, x = work[0]
        gone = set(term) - set(output)
        # A copy where nothing is added up: what contractions return is new memory, no view.
        x, term = _without(x, term, gone) if gone else (x.copy(), term)
        return _ordered(xp, x, term, output)
    (a, x), (b, y) = work
    return _pair(xp, a, x, b, y, output)


def _cheapest(work: list[tuple[str, Any]], output: str) -> tuple[int, int]:
    sizes = _sizes([term for term, _ in work], [x.shape for _, x in work])
    best: tuple[float, int, int] = (math.inf, 0, 1)
    for i in range(len(work)):
        for j in range(i + 1, len(work)):
            others = set(output).union(*(t for k, (t, _) in enumerate(work) if k not in (i, j)))
            kept = set(work[i][0] + work[j][0]) & others
            best = min(best, (math.prod(sizes[letter] for letter in kept), i, j))
    return best[1], best[2]


def _without(x: Any, term: str, gone: set[str]) -> tuple[Any, str]:
    axes = tuple(i for i, letter in enumerate(term) if letter in gone)
    kept = "".join(letter for letter in term if letter not in gone)
    return (x.sum(axis=axes, dtype=x.dtype) if axes else x), kept


def _ordered(xp: Any, x: Any, term: str, wanted: str) -> Any:
    return xp.transpose(x, [term.index(letter) for letter in wanted])[()]


def _pair(xp: Any, a: str, x: Any, b: str, y: Any, output: str) -> Any:
    """Two operands as one matrix product: stacks, rows and columns are letters taken together."""
    x, a = _without(x, a, set(a) - set(b) - set(output))
    y, b = _without(y, b, set(b) - set(a) - set(output))
    sizes = _sizes([a, b], [x.shape, y.shape])
    stack = [letter for letter in a if letter in b and letter in output]
    inner = [letter for letter in a if letter in b and letter not in output]
    rows = [letter for letter in a if letter not in b]
    columns = [letter for letter in b if letter not in a]
    left = _as_matrices(xp, x, a, sizes, (stack, rows, inner))
    right = _as_matrices(xp, y, b, sizes, (stack, inner, columns))
    made = [*stack, *rows, *columns]
    result = xp.matmul(left, right).reshape([sizes[letter] for letter in made])
    return _ordered(xp, result, "".join(made), output)


def _as_matrices(xp: Any, x: Any, term: str, sizes: dict, groups: Sequence[list[str]]) -> Any:
    order = [letter for group in groups for letter in group]
    x = _ordered(xp, x, term, "".join(order))
    return x.reshape([math.prod(sizes[letter] for letter in group) for group in groups])


def _einsum_rule(g: Any, xs: Sequence[Any], subscripts: str, position: int) -> Any:
    terms, output = _split(subscripts)
    wanted, x = terms[position], xs[position]
    others = [i for i in range(len(xs)) if i != position]
    known = set(output).union(*(terms[i] for i in others))
    found = "".join(letter for letter in wanted if letter in known)
    names = ",".join([output, *(terms[i] for i in others)])
    gx = _einsum(g, *(xs[i] for i in others), subscripts=f"{names}->{found}")
    if found == wanted:
        return gx
    # Letters that only this operand has were summed: all their elements share the gradient.
    lost = tuple(i for i, letter in enumerate(wanted) if letter not in known)
    return broadcast_like(expand_dims(gx, axis=lost), x)


_einsum.vjp(xs=_einsum_rule)


@composite
def einsum(subscripts: str, *xs: Any) -> Any:
    r"""Sum of products by Einstein's convention: `"ik,kj->ij"` is the matrix product.

    Every operand has a term with one letter per axis, `...` stands for further axes (which
    broadcast).  Letters that the output lacks are summed over; a letter that occurs twice in a
    term takes the diagonal.  Without `->` the output has the letters that occur once, in
    alphabetical order.

    >>> import dlgraph as dg
    >>> a = dg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> print(dg.einsum("ij->j", a), dg.einsum("ii", a), dg.einsum("ij,ij->", a, a))
    [4. 6.] 5.0 30.0
    """
    if not isinstance(subscripts, str):
        raise OperationError(
            f"einsum: the subscripts are a text and come first, not {describe_operand(subscripts)}",
            hint='dg.einsum("ij,jk->ik", a, b)',
        )
    xs = tuple(from_list(x) for x in xs)
    text = subscripts.replace(" ", "")
    left, arrow, output = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(xs):
        raise OperationError(f"einsum: {text!r} has {len(terms)} terms for {len(xs)} operands")
    _check_letters(text, terms, output)
    if not arrow:
        once = sorted(c for c in set(left) - set(",.") if left.count(c) == 1)
        output = "..." * ("..." in left) + "".join(once)
    spare = [c for c in string.ascii_letters if c not in text]
    widest = 0
    for term, x in zip(terms, xs, strict=True):
        extra = x.ndim - len(term.replace("...", ""))
        if extra < 0 or (extra and "..." not in term):
            raise ShapeError(f"einsum: the term {term!r} for an operand {show_shape(x.shape)}")
        widest = max(widest, extra)
    dots = "".join(spare[:widest])
    operands = []
    for term, x in zip(terms, xs, strict=True):
        extra = x.ndim - len(term.replace("...", ""))
        operands.append(_distinct(x, term.replace("...", dots[len(dots) - extra :])))
    operands = _unstretched(operands)
    names = ",".join(term for _, term in operands)
    subscripts = f"{names}->{output.replace('...', dots)}"
    return _einsum(*(x for x, _ in operands), subscripts=subscripts)


def _check_letters(text: str, terms: list[str], output: str) -> None:
    plain = text.replace("...", "").replace("->", "").replace(",", "")
    strange = [c for c in plain if not (c.isascii() and c.isalpha())]
    if strange:
        raise OperationError(
            f"einsum: {strange[0]!r} in {text!r} is not a letter", hint='for example "ik,kj->ij"'
        )
    lost = [c for c in output.replace("...", "") if not any(c in term for term in terms)]
    if lost:
        raise OperationError(f"einsum: the output letter {lost[0]!r} is in no term of {text!r}")
    if len(set(output.replace("...", ""))) != len(output.replace("...", "")):
        raise OperationError(f"einsum: a letter occurs twice in the output of {text!r}")


def _distinct(x: Any, term: str) -> tuple[Any, str]:
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ShapeError(
                    f"einsum: the letter {letter!r} occurs twice in a term, for axes of sizes "
                    f"{x.shape[first]} and {x.shape[second]}"
                )
            x = diagonal(x, 0, first, second)
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
    return x, term


def _unstretched(operands: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
    """Without axes of size 1 whose letter is longer elsewhere: they say nothing."""
    longer = {c for x, term in operands for c, size in zip(term, x.shape, strict=True) if size != 1}
    result = []
    for x, term in operands:
        spare = tuple(i for i, c in enumerate(term) if x.shape[i] == 1 and c in longer)
        kept = "".join(c for i, c in enumerate(term) if i not in spare)
        result.append((squeeze(x, axis=spare) if spare else x, kept))
    return result


# ---- named products ------------------------------------------------------------------------------


@composite
def outer(a: Any, b: Any) -> Any:
    r"""All products of the elements of two vectors: $y_{ij} = a_i b_j$.

    >>> import dlgraph as dg
    >>> print(dg.outer(dg.Tensor([1.0, 2.0]), dg.Tensor([3.0, 4.0])))
    [[3. 4.]
     [6. 8.]]
    """
    return reshape(a, (-1, 1)) * reshape(b, (1, -1))


@composite
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum of products over axes of `a` and `b` taken in pairs.

    `axes` is a number n (the last n of `a` with the first n of `b`) or two lists of axes.

    >>> import dlgraph as dg
    >>> a = dg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> print(dg.tensordot(a, a, axes=([0], [0])))
    [[10. 14.]
     [14. 20.]]
    """
    a, b = from_list(a), from_list(b)
    if isinstance(axes, (int, np.integer)):
        axes = (list(range(a.ndim - axes, a.ndim)), list(range(axes)))
    firsts, seconds = (list(one) if isinstance(one, (tuple, list)) else [one] for one in axes)
    if len(firsts) != len(seconds) or len(firsts) > min(a.ndim, b.ndim):
        raise ShapeError(f"tensordot: {len(firsts)} axes of a and {len(seconds)} of b are paired")
    letters = iter(string.ascii_letters)
    left = [next(letters) for _ in range(a.ndim)]
    right = [next(letters) for _ in range(b.ndim)]
    for i, j in zip(firsts, seconds, strict=True):
        i, j = normalise_axis(i, a.ndim, "tensordot"), normalise_axis(j, b.ndim, "tensordot")
        m, n = a.shape[i], b.shape[j]
        if isinstance(m, int) and isinstance(n, int) and m != n:  # einsum would stretch a size of 1
            raise ShapeError(
                f"tensordot: axis {i} of {show_shape(a.shape)} has size {m}, axis {j} of "
                f"{show_shape(b.shape)} has size {n}"
            )
        right[j] = left[i]
    output = [c for c in left if c not in right] + [c for c in right if c not in left]
    return einsum(f"{''.join(left)},{''.join(right)}->{''.join(output)}", a, b)


@composite
def inner(a: Any, b: Any) -> Any:
    r"""Sum of products over the last axes: $y_{ij} = \sum_k a_{ik} b_{jk}$.

    >>> import dlgraph as dg
    >>> print(dg.inner(dg.Tensor([1.0, 2.0]), dg.Tensor([3.0, 4.0])))
    11.0
    """
    a, b = from_list(a), from_list(b)
    if not a.ndim or not b.ndim:
        return a * b
    return tensordot(a, b, axes=([-1], [-1]))


@composite
def kron(a: Any, b: Any) -> Any:
    """Kronecker product: `a` with every element replaced by it times `b`.

    >>> import dlgraph as dg
    >>> print(dg.kron(dg.Tensor([1.0, 10.0]), dg.Tensor([1.0, 2.0])))
    [ 1. 2. 10. 20.]
    """
    a, b = from_list(a), from_list(b)
    for x, ndim in ((a, b.ndim), (b, a.ndim)):
        missing = tuple(range(ndim - x.ndim))
        if missing:
            a, b = (
                (expand_dims(a, axis=missing), b) if x is a else (a, expand_dims(b, axis=missing))
            )
    # Axes in pairs, (a0, b0, a1, b1, ...), and each pair taken together.
    n = a.ndim
    wide = expand_dims(a, axis=tuple(range(1, 2 * n, 2))) * expand_dims(
        b, axis=tuple(range(0, 2 * n, 2))
    )
    pairs = list(zip(a.shape, b.shape, strict=True))
    sizes = tuple(-1 if isinstance(p, Dim) or isinstance(q, Dim) else p * q for p, q in pairs)
    if sizes.count(-1) > 1:
        raise ShapeError(
            f"kron of {show_shape(a.shape)} and {show_shape(b.shape)}: at most one axis of the "
            "result may be of a size not known before the run"
        )
    return reshape(wide, sizes)
