"""Matrix products: calls of the BLAS by address, or tiles of our own where the matrices are small.

Read next: `tiles.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dlgraph.executors.blas import AS_IT_IS, ROW_MAJOR, TRANSPOSED
from dlgraph.executors.fast import tiles
from dlgraph.executors.fast.ir import PRODUCTS, Code, Recipe, Target, literal, type_of
from dlgraph.executors.fast.vectors import Vectors
from dlgraph.executors.plan import Instruction, Place
from dlgraph.ops.scalar import Unsupported

ALONE = 2e9  # operations: larger products are worth the BLAS's threads


def tiled_up_to(rows: int, target: Target) -> int:
    """The bytes of the right operand up to which our own tiles are the faster ones.

    Nothing is packed, so it must stay in a cache: in the large one, where 32 registers make tiles
    that use what they load often, else in the small one.  For few rows the BLAS packs too much.
    """
    if target.registers >= 32:
        return 2**20
    return 2**19 if rows <= 16 else 2**16


class Matrix(NamedTuple):
    """How a matrix lies in memory: is it turned, and elements from one row to the next."""

    turned: bool
    step: int


def matrix(shape: tuple[int, ...], strides: tuple[int, ...], item: int) -> Matrix:
    """The layout of a matrix with a unit stride; raises `Unsupported` without one."""
    (rows, columns), (down, right) = shape, strides
    for turned in (False, True):
        if (right == item or columns == 1) and down % item == 0:
            step = down // item if rows > 1 else columns
            if step >= columns:
                return Matrix(turned, max(step, 1))
        rows, columns, down, right = columns, rows, right, down
    raise Unsupported("a matrix without a unit stride")


class Product(NamedTuple):
    """One product of a stack: sizes, layouts, and the stack's axes with strides of all three."""

    dtype: np.dtype
    rows: int
    columns: int
    inner: int
    a: Matrix
    b: Matrix
    out: Matrix
    stack: tuple[tuple[int, tuple[int, int, int]], ...] = ()


def product_of(a: Place, b: Place, out: Place) -> Product:
    """The product that computes `out` from `a` and `b`, as NumPy's matmul has it."""
    dtype = out.dtype
    if dtype.name not in PRODUCTS or a.dtype != dtype or b.dtype != dtype:
        raise Unsupported(f"products of {dtype}")
    item = dtype.itemsize
    shapes = [list(p.shape) for p in (a, b, out)]
    strides = [list(p.strides or ()) for p in (a, b, out)]
    if len(a.shape) == 1:  # a row
        for k, at in ((0, 0), (2, -1 if len(b.shape) > 1 else len(out.shape))):
            _insert(shapes[k], strides[k], at)
    if len(b.shape) == 1:  # a column
        _insert(shapes[1], strides[1], 1)
        _insert(shapes[2], strides[2], len(shapes[2]))
    layouts = [
        matrix(tuple(n[-2:]), tuple(s[-2:]), item) for n, s in zip(shapes, strides, strict=True)
    ]
    rows, columns = shapes[2][-2:]
    stack = []
    for k, size in enumerate(reversed(shapes[2][:-2]), 3):
        along = [
            s[-k] if len(n) >= k and n[-k] != 1 else 0 for n, s in zip(shapes, strides, strict=True)
        ]
        if size != 1:
            stack.append((size, (along[0], along[1], along[2])))
    left, right, result = layouts
    inner = shapes[0][-1]
    return Product(dtype, rows, columns, inner, left, right, result, tuple(reversed(stack)))


def _insert(shape: list[int], strides: list[int], at: int) -> None:
    at = len(shape) if at == -1 and not shape else at
    if at == -1:
        at = len(shape) - 1
    shape.insert(at, 1)
    strides.insert(at, 0)


def matmul(step: Instruction, target: Target) -> Recipe:
    """`a @ b`; operands a, b, out."""
    a, b = step.inputs
    if a is None or b is None or step.output is None:
        raise Unsupported("a product without operands")
    return recipe(product_of(a, b, step.output), (a, b, step.output), target)


def _transposed(place: Place) -> Place:
    assert place.strides is not None
    return place._replace(shape=place.shape[::-1], strides=place.strides[::-1])


def gemm(step: Instruction, target: Target) -> Recipe:
    """`alpha * a @ b + beta * c`; operands a, b, out, alpha, c."""
    a, b, c, alpha = step.inputs
    out = step.output
    if a is None or b is None or c is None or alpha is None or out is None:
        raise Unsupported("a product without operands")
    if (c.strides, c.shape, c.dtype, alpha.dtype) != (out.strides, out.shape, out.dtype, c.dtype):
        raise Unsupported("a sum of different layouts")
    left = _transposed(a) if step.attrs["ta"] else a
    right = _transposed(b) if step.attrs["tb"] else b
    added = None if c == out else "%p4"
    scale = Scale("%p3", float(step.attrs["beta"]), added)
    return recipe(product_of(left, right, out), (a, b, out, alpha, c), target, scale)


class Scale(NamedTuple):
    """What becomes of a product: `alpha * product + beta * c`."""

    alpha: float | str = 1.0  # a number, or the address of one
    beta: float = 0.0
    added: str | None = None  # the address of c; None if the result goes where c is


PLAIN = Scale()


def recipe(
    product: Product, operands: tuple[Place, ...], target: Target, scale: Scale = PLAIN
) -> Recipe:
    """How to compute a product (or a stack of them): in tiles of our own, or by the BLAS."""
    row_wise, _ = _rowwise(product, ["", "", ""])
    elements = row_wise.inner * row_wise.columns
    small = elements * product.dtype.itemsize <= tiled_up_to(row_wise.rows, target)
    tiled = small and 2 * elements * row_wise.rows <= ALONE
    if not tiled and (not target.sizes or scale.added):
        raise Unsupported("nothing that the BLAS can do")
    turned = tiled and row_wise.b.turned and row_wise.columns > 1
    compute = _tiled if tiled else blas_call

    def write() -> Code:
        code = Code()
        pointers = ["%p0", "%p1", "%p2"]
        _each(code, product, pointers, lambda at: compute(code, product, at, scale, target))
        return code

    scratch = elements * product.dtype.itemsize if turned else 0
    return Recipe(operands, write, scratch, blas=not tiled)


def _each(
    code: Code, product: Product, pointers: list[str], body: Callable[[list[str]], None]
) -> None:
    """Go through a stack of matrices."""

    def walk(level: int, at: list[str]) -> None:
        if level == len(product.stack):
            body(at)
            return
        size, strides = product.stack[level]
        with code.loop(size) as index:
            walk(
                level + 1,
                [code.at(p, code.times(index, s)) for p, s in zip(at, strides, strict=True)],
            )

    walk(0, pointers)


def _rowwise(product: Product, pointers: list[str]) -> tuple[Product, list[str]]:
    """The same product with its result in row order: a transpose is a product of transposes."""
    if not product.out.turned:
        return product, pointers
    a, b = product.b, product.a
    turned = product._replace(
        rows=product.columns,
        columns=product.rows,
        a=a._replace(turned=not a.turned),
        b=b._replace(turned=not b.turned),
        out=product.out._replace(turned=False),
    )
    return turned, [pointers[1], pointers[0], pointers[2]]


def _tiled(code: Code, product: Product, pointers: list[str], scale: Scale, target: Target) -> None:
    """A product in tiles of our own."""
    product, pointers = _rowwise(product, pointers)
    dtype, item = product.dtype, product.dtype.itemsize

    def strided(pointer: str, m: Matrix) -> tiles.Strided:
        steps = (item, m.step * item) if m.turned else (m.step * item, item)
        return tiles.Strided(pointer, *steps)

    a, b, out = map(strided, pointers, (product.a, product.b, product.out))
    if product.b.turned and product.columns > 1:
        shape = (product.columns, product.inner)
        room = code.room()
        b = tiles.turned(code, dtype, shape, tiles.Strided(b.pointer, b.right, item), room, target)
    vectors = Vectors(code, tiles.lanes_for(product.columns, dtype, target))
    alpha = _alpha(vectors, dtype, scale)

    apart = 0 if scale.added is None else _distance(code, scale.added, "%p2")

    def finish(total: str, place: str, active: int) -> str:
        if alpha is not None:
            total = vectors.arithmetic("mul", dtype, total, alpha)
        if scale.beta:
            place = code.at(place, apart)
            held = vectors.load(place, dtype, item, active)
            if scale.beta != 1.0:
                factor = vectors.constant(scale.beta, dtype)
                held = vectors.arithmetic("mul", dtype, held, factor)
            total = vectors.arithmetic("add", dtype, held, total)
        return total

    sizes = (product.rows, product.columns, product.inner)
    tiles.product(code, dtype, sizes, a, b, out, finish, target)


def _distance(code: Code, to: str, start: str) -> str:
    """Bytes from one address to another."""
    a, b = (code.let(f"ptrtoint ptr {p} to i64") for p in (to, start))
    return code.let(f"sub i64 {a}, {b}")


def _alpha(vectors: Vectors, dtype: np.dtype, scale: Scale) -> str | None:
    if isinstance(scale.alpha, str):
        return vectors.load_one(scale.alpha, dtype)
    return None if scale.alpha == 1.0 else vectors.constant(scale.alpha, dtype)


def blas_call(
    code: Code, product: Product, pointers: list[str], scale: Scale, target: Target
) -> None:
    """Call the BLAS: `out = alpha * a @ b + beta * out`."""
    product, pointers = _rowwise(product, pointers)
    real, size = type_of(product.dtype), target.sizes
    alpha: str = (
        code.get(real, scale.alpha, product.dtype.itemsize)
        if isinstance(scale.alpha, str)
        else literal(scale.alpha, product.dtype)
    )
    function = code.get("ptr", code.at("%table", PRODUCTS[product.dtype.name]))
    turned = [TRANSPOSED if m.turned else AS_IT_IS for m in (product.a, product.b)]
    given: list[tuple[str, Any]] = [("i32", ROW_MAJOR), ("i32", turned[0]), ("i32", turned[1])]
    given += [(size, n) for n in (product.rows, product.columns, product.inner)]
    given += [(real, alpha), ("ptr", pointers[0]), (size, product.a.step)]
    given += [("ptr", pointers[1]), (size, product.b.step)]
    given += [(real, literal(scale.beta, product.dtype)), ("ptr", pointers[2])]
    given += [(size, product.out.step)]
    code.put(f"call void {function}({', '.join(f'{kind} {value}' for kind, value in given)})")
