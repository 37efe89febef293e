"""Kernels: the loops around the elements, as CUDA C.

Element-wise groups take one thread per element.  Groups with sums or extremes take a block of
threads for some results at a time, which share the work and join their parts in shared memory, in
a fixed order: the same numbers give the same bits.  All but the addresses is written into the
text, so a kernel has pointers as its only parameters.  Read next: `rows.py`, `launches.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.executors.fast.loops import Axis, Group, axes_of
from dlgraph.gpu.cuda import Cuda, number, type_of
from dlgraph.ops.scalar import Unsupported, element

THREADS = 256
_VARIABLE = re.compile(r"const [a-z ]+ (\w+) = ")
_WORD = re.compile(r"[A-Za-z_]\w*")
ACROSS = 32  # results of a block that lie side by side


class Kernel(NamedTuple):
    """The text of a kernel (its name left open as `NAME`), and with how many threads it runs."""

    text: str
    grid: tuple[int, ...]
    block: tuple[int, ...]


def kernel(group: Group) -> Kernel:
    """The kernel of a group.

    Raises `Unsupported` for what cannot be written in CUDA C.
    """
    axes = axes_of(group)
    return _folding(group, axes) if group.folds else _elementwise(group, axes)


def _elementwise(group: Group, axes: Sequence[Axis]) -> Kernel:
    size = math.prod(axis.size for axis in axes)
    whole = _whole_number(group, size)
    index = _Index(group, axes)
    body = [*index.split(range(len(axes)), "i", whole), *_elements(group, index)]
    lines = [
        f"const {whole} i = ({whole})blockIdx.x * {THREADS} + threadIdx.x;",
        f"if (i >= {size}) return;",
        *body,
    ]
    text = _function(group, lines)
    return Kernel(text, (-(-size // THREADS),), (THREADS,))


def _folding(group: Group, axes: Sequence[Axis]) -> Kernel:
    kept = [k for k, axis in enumerate(axes) if not axis.reduced]
    reduced = [k for k, axis in enumerate(axes) if axis.reduced]
    results = math.prod(axes[k].size for k in kept)
    terms = math.prod(axes[k].size for k in reduced)
    across, along = _block(axes, kept, results, terms)
    whole = _whole_number(group, results * terms)
    index = _Index(group, axes)
    loop = [*index.split(reduced, "r", whole), *_elements(group, index)]
    names, lines = [], []
    for k, fold in enumerate(group.folds):
        kind = fold.operand.dtype
        names.append(f"sum{k}" if fold.name == "add" else f"{fold.name}{k}")
        lines.append(f"__shared__ {type_of(kind)} part{k}[{across * along}];")
    lines.append(f"const {whole} i = ({whole})blockIdx.x * {across} + threadIdx.x;")
    lines += [
        f"{type_of(fold.operand.dtype)} {name} = {_neutral(fold.name, fold.operand.dtype)};"
        for name, fold in zip(names, group.folds, strict=True)
    ]
    lines.append(f"if (i < {results}) {{")
    lines += _indented(index.split(kept, "i", whole))
    lines.append(f"  for ({whole} r = threadIdx.y; r < {terms}; r += {along}) {{")
    lines += _indented(_indented(loop))
    for name, fold in zip(names, group.folds, strict=True):
        lines.append(f"    {name} = {_joined(fold.name, name, index.value(fold.value))};")
    lines += ["  }", "}"]
    lines += tree(
        [(f"part{k}", names[k], fold.name) for k, fold in enumerate(group.folds)], across, along
    )
    lines.append(f"if (threadIdx.y == 0 && i < {results}) {{")
    lines += _indented(index.split(kept, "i", whole))
    first = len(group.inputs) + len(group.stores)
    for k, fold in enumerate(group.folds):
        kind = fold.operand.dtype
        found = f"part{k}[threadIdx.x]"
        if fold.scale != 1.0:
            found = f"{found} / {number(fold.scale, kind)}"
        lines.append(f"  result{k}[{index.at(first + k, kind, kept)}] = {found};")
    lines.append("}")
    return Kernel(_function(group, lines), (-(-results // across),), (across, along))


def tree(parts: Sequence[tuple[str, str, str]], across: int, along: int) -> list[str]:
    """Join what the threads of a block found: `(shared array, variable, name of the fold)`."""
    place = "threadIdx.y * blockDim.x + threadIdx.x"
    lines = [f"const int here = {place};", *(f"{part}[here] = {own};" for part, own, _ in parts)]
    lines += ["__syncthreads();"]
    if along > 1:
        lines.append(f"for (int half = {along // 2}; half > 0; half /= 2) {{")
        lines.append("  if (threadIdx.y < half) {")
        for part, _, fold in parts:
            other = f"{part}[here + half{f' * {across}' if across > 1 else ''}]"
            lines.append(f"    {part}[here] = {_joined(fold, f'{part}[here]', other)};")
        lines += ["  }", "  __syncthreads();", "}"]
    return lines


def _block(axes: Sequence[Axis], kept: list[int], results: int, terms: int) -> tuple[int, int]:
    """How many results a block works on, and how many threads share one."""
    # Threads that stand side by side should read memory that lies side by side.
    steps = [min((abs(s) for s in axis.strides if s), default=1 << 62) for axis in axes]
    nearest = min(range(len(axes)), key=lambda k: (steps[k], axes[k].reduced))
    across = ACROSS if kept and nearest in kept and results > 1 else 1
    along = 1
    while along < terms and along * across < THREADS:
        along *= 2
    return across, along


def _neutral(fold: str, dtype: np.dtype) -> str:
    if fold == "add":
        return number(0, dtype)
    if dtype.kind == "f":
        return number(-np.inf if fold == "max" else np.inf, dtype)
    limits = np.iinfo(dtype)
    return number(limits.min if fold == "max" else limits.max, dtype)


def _joined(fold: str, a: str, b: str) -> str:
    return f"{a} + {b}" if fold == "add" else f"dg_{fold}({a}, {b})"


# ---- places --------------------------------------------------------------------------------------


class _Index:
    """Where each operand of a group is, in terms of the axes of its loops."""

    def __init__(self, group: Group, axes: Sequence[Axis]):
        self.group, self.axes = group, axes
        self.values: dict[int, str] = {}

    def split(self, axes: Sequence[int], counter: str, whole: str) -> list[str]:
        """The index of every axis from a counter over all of them, the last one fastest."""
        lines, rest = [], counter
        for k in reversed(axes):
            size = self.axes[k].size
            outermost = k == axes[0]
            text = rest if outermost else f"{rest} % {size}"
            lines.append(f"const {whole} i{k} = {text};")
            if not outermost:
                rest = f"{counter} / {math.prod(self.axes[j].size for j in axes if j >= k)}"
        return lines

    def at(self, operand: int, dtype: np.dtype, axes: Sequence[int] | None = None) -> str:
        """The position of an element, counted in elements."""
        terms = []
        for k, axis in enumerate(self.axes):
            step, odd = divmod(axis.strides[operand], dtype.itemsize)
            if odd:
                raise Unsupported("elements between elements")
            if step and (axes is None or k in axes):
                terms.append(f"i{k}" if step == 1 else f"i{k} * {step}")
        return " + ".join(terms) or "0"

    def value(self, number_of: int) -> str:
        """The variable of a value of the group."""
        return self.values[number_of]


def _elements(group: Group, index: _Index) -> list[str]:
    """Read the inputs, compute, and write what is stored."""
    code = Cuda()
    kinds = [o.dtype for o in group.inputs] + [dtype for _, dtype in group.constants]
    kinds += [step.dtype for step in group.steps]
    for k, operand in enumerate(group.inputs):
        index.values[k] = f"x{k}"
        place = index.at(k, operand.dtype)
        code.lines.append(f"const {type_of(operand.dtype)} x{k} = in{k}[{place}];")
    first = len(group.inputs)
    for k, (value, dtype) in enumerate(group.constants):
        index.values[first + k] = code.constant(value, dtype)
    first += len(group.constants)
    for k, step in enumerate(group.steps):
        operands = [(index.value(o), kinds[o]) for o in step.operands]
        index.values[first + k] = element(code, step.name, step.attrs, operands, step.dtype)
    for k, (value, operand) in enumerate(group.stores):
        place = index.at(len(group.inputs) + k, operand.dtype)
        code.lines.append(f"out{k}[{place}] = {index.value(value)};")
    return code.lines


def _whole_number(group: Group, size: int) -> str:
    """The type for indices: 64 bits only where they are needed."""
    operands: list[Any] = [*group.inputs, *(o for _, o in group.stores)]
    reach = max(
        (
            sum(abs(s) * (n - 1) for s, n in zip(o.strides, group.shape, strict=True))
            for o in operands
        ),
        default=0,
    )
    return "int" if max(reach, size + THREADS) < 2**31 else "long long"


def _function(group: Group, lines: Sequence[str]) -> str:
    written = [(f"out{k}", o) for k, (_, o) in enumerate(group.stores)]
    written += [(f"result{k}", fold.operand) for k, fold in enumerate(group.folds)]
    parameters = [f"const {type_of(o.dtype)}* in{k}" for k, o in enumerate(group.inputs)]
    parameters += [f"{type_of(o.dtype)}* {name}" for name, o in written]
    return function(parameters, lines)


def function(parameters: Sequence[str], lines: Sequence[str]) -> str:
    """The text of a kernel, its name left open as `NAME`."""
    head = f'extern "C" __global__ void NAME({", ".join(parameters)}) {{'
    return "\n".join([head, *_indented(_read(lines)), "}"])


def _read(lines: Sequence[str]) -> list[str]:
    """The lines without variables that nobody reads."""
    words: set[str] = set()
    kept = []
    for line in reversed(lines):
        named = _VARIABLE.match(line.strip())
        if named is None or named[1] in words:
            words.update(_WORD.findall(line.split(" = ", 1)[-1] if named else line))
            kept.append(line)
    return kept[::-1]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
