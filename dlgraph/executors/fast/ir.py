"""Text of LLVM IR: values, loops, memory.  What the kernels are written with.

A `Code` collects the lines of one function.  Vectors are explicit (`<16 x float>`), so that nothing
depends on whether LLVM's own vectoriser sees what we see, and a short pipeline of passes is enough.
Mutable variables are stack slots, which LLVM turns into registers.  Read next: `vectors.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from dlgraph.ops.scalar import Unsupported

TYPES = {
    np.dtype(np.float32): "float",
    np.dtype(np.float64): "double",
    np.dtype(np.int32): "i32",
    np.dtype(np.int64): "i64",
    np.dtype(np.uint8): "i8",
    np.dtype(bool): "i1",
}


# The table of addresses: two products of the BLAS, scratch memory, then the buffers of the plan.
PRODUCTS = {"float32": 0, "float64": 8}
SCRATCH = 16
BUFFERS = 24


class Target(NamedTuple):
    """What the generated code may use: bytes of a vector register, how many there are, a BLAS."""

    vector_bytes: int = 64
    registers: int = 32
    sizes: str = ""  # the type of a size in the BLAS; empty without one


class Recipe(NamedTuple):
    """A kernel that need not be written yet: its operands, and a function that writes it.

    Making a recipe is cheap and says whether there is a kernel at all (it raises `Unsupported`).
    """

    operands: tuple[Any, ...]
    write: Callable[[], Code]
    scratch: int = 0  # bytes of memory at `Code.room`
    blas: bool = False  # does it call the BLAS?


def type_of(dtype: np.dtype) -> str:
    """The LLVM type of one element; raises `Unsupported` for types that are left to NumPy."""
    found = TYPES.get(dtype)
    if found is None:
        raise Unsupported(f"elements of type {dtype}")
    return found


def literal(value: Any, dtype: np.dtype) -> str:
    """A number as LLVM IR writes it; floats as the bits of a double, so nothing is rounded."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            bits = np.float64(dtype.type(value)).view(np.uint64)
        return f"0x{int(bits):016X}"
    if dtype.kind == "b":
        return "true" if value else "false"
    return str(int(value))


class Code:
    """The lines of one function, and the intrinsics that they need."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.slots: list[str] = []  # stack slots stand at the start of the function
        self.declared: set[str] = set()
        self._count = 0

    def fresh(self, prefix: str = "v") -> str:
        """A name that was not used yet."""
        self._count += 1
        return f"{prefix}{self._count}"

    def put(self, text: str) -> None:
        """A line without a result."""
        self.lines.append(f"  {text}")

    def let(self, text: str) -> str:
        """A line with a result; its name."""
        name = "%" + self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def call(self, name: str, result: str, *operands: tuple[str, str]) -> str:
        """Call an intrinsic, with operands as (type, value)."""
        self._declare(name, result, operands)
        arguments = ", ".join(f"{kind} {value}" for kind, value in operands)
        return self.let(f"call {result} @{name}({arguments})")

    def do(self, name: str, *operands: tuple[str, str]) -> None:
        """Call an intrinsic that has no result."""
        self._declare(name, "void", operands)
        arguments = ", ".join(f"{kind} {value}" for kind, value in operands)
        self.put(f"call void @{name}({arguments})")

    def _declare(self, name: str, result: str, operands: Sequence[tuple[str, str]]) -> None:
        kinds = ", ".join(kind for kind, _ in operands)
        self.declared.add(f"declare {result} @{name}({kinds})")

    def room(self) -> str:
        """The address of memory for as long as the function runs (`Recipe.scratch` bytes)."""
        return self.get("ptr", self.at("%table", SCRATCH))

    # ---- numbers that count
    def add(self, a: Any, b: Any) -> Any:
        """The sum of two indices; Python numbers are added here and now."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0:
            return b
        return a if b == 0 else self.let(f"add nsw i64 {a}, {b}")

    def times(self, a: Any, b: int) -> Any:
        """An index times a fixed number."""
        if isinstance(a, int):
            return a * b
        return 0 if b == 0 else a if b == 1 else self.let(f"mul nsw i64 {a}, {b}")

    def at(self, pointer: str, offset: Any) -> str:
        """The address `offset` bytes further on."""
        if offset == 0:
            return pointer
        return self.let(f"getelementptr i8, ptr {pointer}, i64 {offset}")

    # ---- control
    @contextmanager
    def loop(self, count: int, step: int = 1) -> Iterator[Any]:
        """Repeat the block for 0, step, ... below `count`; a single turn is no loop at all."""
        if count <= step:
            if count > 0:
                yield 0
                return
            raise ValueError("a loop without turns")
        name = self.fresh("loop")
        index, following = f"%{name}.i", f"%{name}.n"
        self.put(f"br label %{name}.before")
        self.lines.append(f"{name}.before:")
        self.put(f"br label %{name}")
        self.lines.append(f"{name}:")
        self.put(f"{index} = phi i64 [0, %{name}.before], [{following}, %{name}.again]")
        yield index
        self.put(f"br label %{name}.again")
        self.lines.append(f"{name}.again:")
        self.put(f"{following} = add nuw nsw i64 {index}, {step}")
        self.put(f"%{name}.c = icmp ult i64 {following}, {count}")
        self.put(f"br i1 %{name}.c, label %{name}, label %{name}.after, !llvm.loop !0")
        self.lines.append(f"{name}.after:")

    def leave_if(self, condition: str, result: int) -> None:
        """Return from the function at once if the condition holds."""
        out, on = self.fresh("out"), self.fresh("on")
        self.put(f"br i1 {condition}, label %{out}, label %{on}")
        self.lines.append(f"{out}:")
        self.put(f"ret i32 {result}")
        self.lines.append(f"{on}:")

    # ---- memory
    def slot(self, kind: str) -> str:
        """A variable of this type."""
        name = "%" + self.fresh("slot")
        self.slots.append(f"  {name} = alloca {kind}")
        return name

    def get(self, kind: str, pointer: str, align: int = 0) -> str:
        """Read a variable or an element."""
        return self.let(f"load {kind}, ptr {pointer}" + (f", align {align}" if align else ""))

    def set(self, kind: str, value: str, pointer: str, align: int = 0) -> None:
        """Write a variable or an element."""
        self.put(f"store {kind} {value}, ptr {pointer}" + (f", align {align}" if align else ""))

    def function(self, name: str, operands: int) -> str:
        """The function as text; it returns 0, or what `leave_if` returned.

        `%table` holds addresses (see `BUFFERS`), `%where` for each operand the place of its buffer
        in the table and its offset, both in bytes; `%p0`, `%p1`, ... are the operands.
        """
        head = [f"define i32 @{name}(ptr %table, ptr %where) #0 {{", "entry:", *self.slots]
        for k in range(operands):
            head += [
                f"  %b{k} = getelementptr i8, ptr %where, i64 {16 * k}",
                f"  %s{k} = load i64, ptr %b{k}",
                f"  %t{k} = getelementptr i8, ptr %table, i64 %s{k}",
                f"  %q{k} = load ptr, ptr %t{k}",
                f"  %c{k} = getelementptr i8, ptr %where, i64 {16 * k + 8}",
                f"  %o{k} = load i64, ptr %c{k}",
                f"  %p{k} = getelementptr i8, ptr %q{k}, i64 %o{k}",
            ]
        return "\n".join([*head, *self.lines, "  ret i32 0", "}"])
