"""The only module that imports llvmlite: from the text of LLVM IR to functions in memory.

Compiled code is kept on disk (`cache.py`), so that the next process starts at once.  Read next:
`ir.py`, which writes the text.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from dlgraph._version import __version__
from dlgraph.errors import MissingPackageError
from dlgraph.executors.fast import cache as disk
from dlgraph.executors.fast.ir import Target

_LOCK = threading.RLock()  # LLVM's global context serves one thread at a time

# Calls the kernels one after the other.  A call in `%code` is the address of its kernel, the number
# of bytes of its operands' places, and these places.  Returns the number of the call that asked for
# help (see `Code.leave_if`), or -1.
DRIVER = """
define i64 @run(ptr %table, ptr %code, i64 %first, i64 %last) {
entry:
  br label %next
next:
  %i = phi i64 [%first, %entry], [%j, %on]
  %c = phi ptr [%code, %entry], [%d, %on]
  %more = icmp slt i64 %i, %last
  br i1 %more, label %call, label %done
call:
  %f = load ptr, ptr %c
  %sp = getelementptr i8, ptr %c, i64 8
  %size = load i64, ptr %sp
  %where = getelementptr i8, ptr %c, i64 16
  %d = getelementptr i8, ptr %where, i64 %size
  %r = call i32 %f(ptr %table, ptr %where)
  %bad = icmp ne i32 %r, 0
  br i1 %bad, label %stop, label %on
on:
  %j = add i64 %i, 1
  br label %next
stop:
  ret i64 %i
done:
  ret i64 -1
}
"""


def binding() -> Any:
    """llvmlite, ready to compile for this machine; the error says how to install it."""
    try:
        import llvmlite.binding as llvm
    except ImportError as error:
        raise MissingPackageError(
            'executor="fast" compiles with llvmlite, which is not installed',
            hint='pip install "dlgraph[fast]"; executor="planned" needs NumPy only',
        ) from error
    return llvm


@cache
def _facts() -> tuple[Any, str, str, str]:
    """The target, processor and features, and all that compiled code depends on, as text."""
    import llvmlite

    llvm = binding()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    facts = (target.triple, cpu, features, llvmlite.__version__, llvm.llvm_version_info)
    return target, cpu, features, "\n".join(map(str, (*facts, __version__)))


def _machine() -> Any:
    """A target machine; a compiler engine takes its own away with it."""
    target, cpu, features, _ = _facts()
    return target.create_target_machine(cpu=cpu, features=features, opt=1, jit=True)


@cache
def host() -> Target:
    """The vector registers of this machine."""
    with _LOCK:
        features = binding().get_host_cpu_features()
    if features.get("avx512f"):
        return Target(64, 32)
    return Target(32, 16) if features.get("avx2") else Target(16, 32)


class Library:
    """Compiled functions; they live as long as this object."""

    def __init__(self, machine_code: bytes):
        llvm = binding()
        with _LOCK:
            self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
            self._engine.finalize_object()
        kinds = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self.run = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(self.address("run"))

    def address(self, name: str) -> int:
        """Where a function lies in memory."""
        with _LOCK:
            return int(self._engine.get_function_address(name))


def load(recipe: str, source: Callable[[], str]) -> Library:
    """Functions of which `source` writes the LLVM IR: from the cache, or compiled and put there.

    `recipe` is all that the text is made from; with the hash of the generator it stands for the
    text, which is only written if it has to be compiled.
    """
    with _LOCK:
        parts = (_facts()[-1], _generator(), recipe)
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        found = disk.read(key)
        if found is not None:
            try:
                return Library(found)
            except RuntimeError:  # LLVM cannot read it
                pass
        found = compiled(DRIVER + source())
        disk.write(key, found)
        return Library(found)


@cache
def _generator() -> str:
    """A hash of the source of everything that writes LLVM IR."""
    here = Path(__file__).parent
    files = [*sorted(here.glob("*.py")), here.parent.parent / "ops" / "scalar.py"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def compiled(source: str) -> bytes:
    """Machine code for this machine."""
    with _LOCK:
        machine = _machine()
        return bytes(machine.emit_object(_optimised(source, machine)))


def _optimised(source: str, machine: Any) -> Any:
    llvm = binding()
    module = llvm.parse_assembly(source)
    module.verify()
    # The kernels are written as they should be: only their variables have to become registers.  The
    # whole usual pipeline takes half of the time of a compilation and gains nothing.
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.run(module, builder)
    return module
