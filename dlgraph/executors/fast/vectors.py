"""Elements as vectors of LLVM IR: the builder that interprets `ops/scalar.py` for the CPU.

One handle is the text of a vector value of `lanes` elements.  Loads and stores know how the
elements lie: side by side, all the same, or some bytes apart; of the last few of a row only as many
lanes as there are elements touch the memory.  Read next: `functions.py`, `loops.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.executors.fast import functions
from dlgraph.executors.fast.ir import Code, literal, type_of
from dlgraph.ops.scalar import Element, Unsupported

_FLOAT = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv", "neg": "fneg"}
_WHOLE = {"add": "add", "sub": "sub", "mul": "mul"}
_CALLS = {"abs": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "rint": "rint"}
_FLOAT_COMPARE = {"==": "oeq", "!=": "une", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge"}
_COMPARE = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
INT: dict[int, np.dtype] = {4: np.dtype(np.int32), 8: np.dtype(np.int64)}


class Vectors:
    """A `Builder` whose values are vectors of `lanes` elements.

    With `exact` every operation is rounded by itself, as NumPy does it, and functions like `exp`
    are refused; without, products and sums may be fused.
    """

    def __init__(self, code: Code, lanes: int, exact: bool = False):
        self.code, self.lanes, self.exact = code, lanes, exact
        self.flags = "" if exact else "contract "

    def type(self, dtype: np.dtype) -> str:
        """The type of a vector."""
        return f"<{self.lanes} x {type_of(dtype)}>"

    def suffix(self, dtype: np.dtype) -> str:
        """How intrinsics for such a vector are called."""
        kind = {"float": "f32", "double": "f64"}.get(type_of(dtype), type_of(dtype))
        return f"v{self.lanes}{kind}"

    # ---- what Builder asks for
    def constant(self, value: Any, dtype: np.dtype) -> str:
        return f"splat ({type_of(dtype)} {literal(value, dtype)})"

    def arithmetic(self, name: str, dtype: np.dtype, *operands: str) -> str:
        kind = self.type(dtype)
        if dtype.kind == "b" or dtype.name == "uint8":
            raise Unsupported(f"{name} of {dtype}")
        if name in ("min", "max"):
            return self._extreme(name, dtype, *operands)
        if dtype.kind == "i":
            return self._whole(name, kind, *operands)
        if name in _CALLS:
            intrinsic = f"llvm.{_CALLS[name]}.{self.suffix(dtype)}"
            return self.code.call(intrinsic, kind, *((kind, one) for one in operands))
        return self.code.let(f"{_FLOAT[name]} {self.flags}{kind} {', '.join(operands)}")

    def _whole(self, name: str, kind: str, *operands: str) -> str:
        if name == "neg":
            return self.code.let(f"sub {kind} zeroinitializer, {operands[0]}")
        if name not in _WHOLE:
            raise Unsupported(f"{name} of integers")
        return self.code.let(f"{_WHOLE[name]} {kind} {', '.join(operands)}")

    def _extreme(self, name: str, dtype: np.dtype, a: str, b: str) -> str:
        # The second operand if they are equal; a NaN on the left stays by the second choice.
        if dtype.kind == "f" and b.startswith("splat"):
            # A constant is no NaN: one comparison, turned round, keeps that of the left.
            loses = self.compare("<=" if name == "max" else ">=", dtype, a, b)
            return self.select(dtype, loses, b, a)
        wins = self.compare(">" if name == "max" else "<", dtype, a, b)
        found = self.select(dtype, wins, a, b)
        if dtype.kind != "f":
            return found
        lost = self.code.let(f"fcmp uno {self.type(dtype)} {a}, {a}")
        return self.select(dtype, lost, a, found)

    def compare(self, name: str, dtype: np.dtype, a: str, b: str) -> str:
        kind = self.type(dtype)
        if dtype.kind == "f":
            return self.code.let(f"fcmp {_FLOAT_COMPARE[name]} {kind} {a}, {b}")
        sign = "" if name in ("==", "!=") else "s" if dtype.kind == "i" else "u"
        return self.code.let(f"icmp {sign}{_COMPARE[name]} {kind} {a}, {b}")

    def logic(self, name: str, *operands: str) -> str:
        kind = f"<{self.lanes} x i1>"
        if name == "not":
            return self.code.let(f"xor {kind} {operands[0]}, splat (i1 true)")
        return self.code.let(f"{name} {kind} {', '.join(operands)}")

    def select(self, dtype: np.dtype, condition: str, a: str, b: str) -> str:
        kind = self.type(dtype)
        free = "nsz " if dtype.kind == "f" and not self.exact else ""
        return self.code.let(
            f"select {free}<{self.lanes} x i1> {condition}, {kind} {a}, {kind} {b}"
        )

    def convert(self, operand: str, source: np.dtype, target: np.dtype) -> str:
        a, b = self.type(source), self.type(target)
        if target.kind == "b":
            return self.compare("!=", source, operand, self.constant(0, source))
        if source.kind == "f":
            if target.kind != "f":
                raise Unsupported("floats cut to integers")  # what NaN gives is up to the machine
            shorter = target.itemsize < source.itemsize
            return self.code.let(f"{'fptrunc' if shorter else 'fpext'} {a} {operand} to {b}")
        signed = source.kind == "i"
        if target.kind == "f":
            return self.code.let(f"{'sitofp' if signed else 'uitofp'} {a} {operand} to {b}")
        if target.itemsize < source.itemsize and source.kind != "b":
            return self.code.let(f"trunc {a} {operand} to {b}")
        if target.itemsize == source.itemsize and source.kind != "b":
            return operand
        return self.code.let(f"{'sext' if signed else 'zext'} {a} {operand} to {b}")

    def function(self, name: str, dtype: np.dtype, *operands: str) -> str:
        definition = functions.DEFINED.get(name)
        if self.exact or definition is None or dtype.name not in definition.dtypes:
            raise Unsupported(f"{name} of {dtype}")
        elements = (Element(self, dtype, one) for one in operands)
        return definition.function(*elements).handle

    # ---- what functions.py asks for
    def bits(self, operand: str, dtype: np.dtype) -> str:
        """The bits of floats as integers of the same size."""
        whole = self.type(INT[dtype.itemsize])
        return self.code.let(f"bitcast {self.type(dtype)} {operand} to {whole}")

    def from_bits(self, operand: str, dtype: np.dtype) -> str:
        """The floats with these bits."""
        whole = self.type(INT[dtype.itemsize])
        return self.code.let(f"bitcast {whole} {operand} to {self.type(dtype)}")

    def shift(self, name: str, operand: str, by: int, dtype: np.dtype) -> str:
        """`shl` or `ashr` of integers by a fixed number of bits."""
        return self.code.let(f"{name} {self.type(dtype)} {operand}, {self.constant(by, dtype)}")

    # ---- memory
    def spread(self, scalar: str, dtype: np.dtype) -> str:
        """One element in all lanes."""
        kind, element = self.type(dtype), type_of(dtype)
        if self.lanes == 1:
            return self.code.let(f"insertelement {kind} poison, {element} {scalar}, i64 0")
        first = self.code.let(f"insertelement {kind} poison, {element} {scalar}, i64 0")
        return self.code.let(
            f"shufflevector {kind} {first}, {kind} poison, <{self.lanes} x i32> zeroinitializer"
        )

    def load_one(self, pointer: str, dtype: np.dtype) -> str:
        """The element at an address, in all lanes."""
        if dtype.kind == "b":
            byte = self.code.get("i8", pointer, 1)
            return self.spread(self.code.let(f"icmp ne i8 {byte}, 0"), dtype)
        return self.spread(self.code.get(type_of(dtype), pointer, dtype.itemsize), dtype)

    def load(self, pointer: str, dtype: np.dtype, stride: int, active: int) -> str:
        """The first `active` lanes from memory, `stride` bytes apart; the others are 0."""
        if stride == 0:
            return self.load_one(pointer, dtype)
        memory, kind = self._memory(dtype)
        align = dtype.itemsize
        if stride == 2 * align and self.lanes > 1:
            found = self._every_other(pointer, memory, kind, align, active)
        elif stride != align:
            found = self._gather(pointer, memory, kind, stride, align, active)
        elif active == self.lanes:
            found = self.code.get(kind, pointer, align)
        else:
            found = self.code.call(
                f"llvm.masked.load.v{self.lanes}{memory}.p0",
                kind,
                ("ptr", pointer),
                ("i32", str(align)),
                (f"<{self.lanes} x i1>", self.mask(active)),
                (kind, "zeroinitializer"),
            )
        if dtype.kind == "b":
            return self.code.let(f"icmp ne {kind} {found}, zeroinitializer")
        return found

    def add_to(self, value: str, pointer: str, dtype: np.dtype, stride: int, active: int) -> None:
        """Add the first `active` lanes to what is there."""
        held = self.load(pointer, dtype, stride, active)
        self.store(self.arithmetic("add", dtype, held, value), pointer, dtype, stride, active)

    def store(self, value: str, pointer: str, dtype: np.dtype, stride: int, active: int) -> None:
        """Write the first `active` lanes, `stride` bytes apart."""
        memory, kind = self._memory(dtype)
        align = dtype.itemsize
        if dtype.kind == "b":
            value = self.code.let(f"zext <{self.lanes} x i1> {value} to {kind}")
        if stride == 2 * align and active > 1:
            self._to_every_other(value, pointer, memory, kind, align, active)
        elif stride != align and active > 1:
            self._scatter(value, pointer, memory, kind, stride, align, active)
        elif active == self.lanes:
            self.code.set(kind, value, pointer, align)
        else:
            self.code.do(
                f"llvm.masked.store.v{self.lanes}{memory}.p0",
                (kind, value),
                ("ptr", pointer),
                ("i32", str(align)),
                (f"<{self.lanes} x i1>", self.mask(active)),
            )

    def mask(self, active: int) -> str:
        """True in the first lanes."""
        lanes = ("true" if k < active else "false" for k in range(self.lanes))
        return f"<{', '.join(f'i1 {one}' for one in lanes)}>"

    def _memory(self, dtype: np.dtype) -> tuple[str, str]:
        # Truth values are bytes in memory.
        if dtype.kind == "b":
            return "i8", f"<{self.lanes} x i8>"
        return self.suffix(dtype).removeprefix(f"v{self.lanes}"), self.type(dtype)

    def _addresses(self, pointer: str, stride: int) -> str:
        steps = ", ".join(f"i64 {k * stride}" for k in range(self.lanes))
        return self.code.let(f"getelementptr i8, ptr {pointer}, <{self.lanes} x i64> <{steps}>")

    def _pairs(self, kind: str, active: int) -> tuple[str, str]:
        """The type of a vector twice as long, and the mask of its even lanes."""
        double = kind.replace(f"<{self.lanes} x", f"<{2 * self.lanes} x")
        even = (k % 2 == 0 and k < 2 * active for k in range(2 * self.lanes))
        return double, f"<{', '.join(f'i1 {str(one).lower()}' for one in even)}>"

    def _every_other(self, pointer: str, memory: str, kind: str, align: int, active: int) -> str:
        # Two vectors side by side and a shuffle: a third of the time of a gather.
        double, mask = self._pairs(kind, active)
        found = self.code.call(
            f"llvm.masked.load.v{2 * self.lanes}{memory}.p0",
            double,
            ("ptr", pointer),
            ("i32", str(align)),
            (f"<{2 * self.lanes} x i1>", mask),
            (double, "zeroinitializer"),
        )
        picks = ", ".join(f"i32 {2 * k}" for k in range(self.lanes))
        return self.code.let(
            f"shufflevector {double} {found}, {double} poison, <{self.lanes} x i32> <{picks}>"
        )

    def _to_every_other(
        self, value: str, pointer: str, memory: str, kind: str, align: int, active: int
    ) -> None:
        double, mask = self._pairs(kind, active)
        picks = ", ".join(f"i32 {k // 2}" for k in range(2 * self.lanes))
        spread = self.code.let(
            f"shufflevector {kind} {value}, {kind} poison, <{2 * self.lanes} x i32> <{picks}>"
        )
        self.code.do(
            f"llvm.masked.store.v{2 * self.lanes}{memory}.p0",
            (double, spread),
            ("ptr", pointer),
            ("i32", str(align)),
            (f"<{2 * self.lanes} x i1>", mask),
        )

    def _gather(
        self, pointer: str, memory: str, kind: str, stride: int, align: int, active: int
    ) -> str:
        return self.code.call(
            f"llvm.masked.gather.v{self.lanes}{memory}.v{self.lanes}p0",
            kind,
            (f"<{self.lanes} x ptr>", self._addresses(pointer, stride)),
            ("i32", str(align)),
            (f"<{self.lanes} x i1>", self.mask(active)),
            (kind, "zeroinitializer"),
        )

    def _scatter(
        self, value: str, pointer: str, memory: str, kind: str, stride: int, align: int, active: int
    ) -> None:
        self.code.do(
            f"llvm.masked.scatter.v{self.lanes}{memory}.v{self.lanes}p0",
            (kind, value),
            (f"<{self.lanes} x ptr>", self._addresses(pointer, stride)),
            ("i32", str(align)),
            (f"<{self.lanes} x i1>", self.mask(active)),
        )

    def total(self, name: str, value: str, dtype: np.dtype) -> str:
        """All lanes as one scalar: their sum, or the largest or smallest of them."""
        kind, element = self.type(dtype), type_of(dtype)
        if name == "add":
            if dtype.kind != "f":
                intrinsic = f"llvm.vector.reduce.add.{self.suffix(dtype)}"
                return self.code.call(intrinsic, element, (kind, value))
            intrinsic = f"llvm.vector.reduce.fadd.{self.suffix(dtype)}"
            self.code.declared.add(f"declare {element} @{intrinsic}({element}, {kind})")
            start = literal(-0.0, dtype)
            return self.code.let(
                f"call reassoc {element} @{intrinsic}({element} {start}, {kind} {value})"
            )
        width, found = self.lanes, value
        while width > 1:  # halves against each other
            width //= 2
            picks = ", ".join(f"i32 {(k + width) % self.lanes}" for k in range(self.lanes))
            other = self.code.let(
                f"shufflevector {kind} {found}, {kind} poison, <{self.lanes} x i32> <{picks}>"
            )
            found = self.arithmetic(name, dtype, found, other)
        return self.code.let(f"extractelement {kind} {found}, i64 0")
