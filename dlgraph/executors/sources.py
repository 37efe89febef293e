"""The source of functions, with all that they refer to, so that it runs without dlgraph.

The forward functions of the operations are ordinary NumPy code.  `Sources` copies them out of the
package word for word, comments included, follows the names they use, and gives two functions of
the same name in different modules different names.  Next: `standalone.py`, which writes the file.
"""

from __future__ import annotations

import ast
import builtins
import dis
import functools
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from dlgraph.core.primitive import Primitive
from dlgraph.core.where import is_own_code
from dlgraph.errors import DlgraphError, OperationError

ERROR = '''class {name}(ValueError):
    """A problem with the values, in words."""

    def __init__(self, what, hint=None, **details):
        super().__init__(what if hint is None else f"{{what}}\\n  hint  {{hint}}")
'''

Edit = tuple[int, int, str]  # from, to, what stands there instead


class Sources:
    """A growing collection of definitions that need each other.

    >>> from dlgraph.core.primitive import REGISTRY
    >>> from dlgraph.executors.sources import Sources
    >>> sources = Sources()
    >>> sources.name_of(REGISTRY["fold_in"])
    'fold_in'
    >>> print(sources.text())
    def fold_in(xp, key, step):
        \"\"\"A new key from a key and a number: the key of one turn of a loop.\"\"\"
        mixed = np.random.SeedSequence([int(key[0]), int(key[1]), int(step)])
        return mixed.generate_state(2, np.uint64)
    """

    def __init__(self) -> None:
        self.modules: set[str] = set()  # standard modules to import
        self._names: dict[int, str] = {}
        # Nothing may hide what Python itself has: `sum` is called by many a function.
        self._taken: set[str] = {"np", "state", "run", "initial_state", *dir(builtins)}
        self._texts: dict[str, str] = {}
        self._held: list[Any] = []  # what an id in _names belongs to stays alive
        self._constants: dict[int, _Constant] = {}
        self._checks: set[str] = set()  # shape rules, by name

    def name_of(self, value: Any) -> str:
        """The name under which a function, class, constant or primitive stands in the text."""
        if isinstance(value, ModuleType):
            return self._module(value)
        if isinstance(value, Primitive):
            self._checks.add(getattr(value.infer, "__name__", ""))
        target = _definition(value)
        waiting = [target] if id(target) not in self._names else []
        self._reserve(target)
        while waiting:  # a worklist: definitions may use each other
            one = waiting.pop()
            name = self._names[id(one)]
            if name not in self._texts:
                self._texts[name] = ""
                self._texts[name] = self._written(one, name, waiting)
        return self._names[id(target)]

    def text(self) -> str:
        """All definitions, constants and classes first."""
        order = sorted(self._texts, key=lambda n: (self._texts[n].startswith("def "), n))
        return "\n\n\n".join(self._texts[name].rstrip() for name in order)

    # ---- names
    def avoid(self, names: Iterable[str]) -> None:
        """Names that stand for something else in the text."""
        self._taken.update(names)

    def _reserve(self, value: Any, wish: str = "") -> str:
        name = self._names.get(id(value))
        if name is None:
            wish = wish or value.__name__
            name, home = wish, (getattr(value, "__module__", None) or "").rpartition(".")[2]
            if name in self._taken:
                name = f"{home}_{wish.lstrip('_')}"
            count = 1
            while name in self._taken:
                count += 1
                name = f"{wish}_{count}"
            self._taken.add(name)
            self._names[id(value)] = name
            self._held.append(value)
        return name

    def _module(self, module: ModuleType) -> str:
        if module is np:
            return "np"
        self.modules.add(module.__name__)
        return module.__name__

    def _imported(self, found: Any, word: str) -> str:
        """A function of an installed library, by the name under which it is there."""
        owner = getattr(found, "__self__", None)
        if isinstance(owner, np.ufunc):  # np.add.reduce
            return f"{self._imported(owner, word)}.{found.__name__}"
        home, name = getattr(found, "__module__", None), getattr(found, "__name__", word)
        module = sys.modules.get(home or "")
        if module is None or getattr(module, name, None) is not found:
            raise OperationError(
                f"{word} is a {type(found).__name__} that no module has under its own name",
                hint="use it through its module, scipy.special.erf(x), or write a function of it",
            )
        return f"{self._module(module)}.{name}"

    # ---- texts
    def _written(self, value: Any, name: str, waiting: list[Any]) -> str:
        if isinstance(value, _Constant):
            return f"{name} = {literal(value.value, self)}\n"
        if isinstance(value, Primitive):  # the array function or operator is the whole forward
            names = ", ".join(value.inputs)
            return f"def {name}(xp, {names}):\n    return xp.{value.ufunc}({names})\n"
        if isinstance(value, type) and issubclass(value, DlgraphError):
            return ERROR.format(name=name)
        try:
            source = textwrap.dedent(inspect.getsource(value))
        except (OSError, TypeError) as error:
            raise OperationError(
                f"the source of {value.__name__} is not at hand: {error}",
                hint="define your own operations in a file or a notebook cell, not in exec()",
            ) from None
        definition: Any = ast.parse(source).body[0]
        definition.decorator_list = []  # what declares the operation does not travel along
        edits = [*_without_annotations(definition, source), *_without_examples(definition, source)]
        checks = _repeated_checks(definition, source, self._checks)
        edits += [*checks, *self._renamed(value, definition, source, waiting, checks)]
        place = _offset(source, definition.lineno, definition.col_offset)
        keyword = "class " if isinstance(value, type) else "def "
        at = place + len(keyword)
        edits.append((at, at + len(definition.name), name))
        return _edited(source, edits)[place:]

    def _renamed(
        self, value: Any, tree: ast.AST, source: str, waiting: list[Any], gone: list[Edit]
    ) -> list[Edit]:
        """Global names, under the names they have in the collection."""
        space = _namespace(value)
        used = _globals_used(value) | _evaluated_outside(tree)
        inside = {id(n.value): n for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        edits = []
        for node in ast.walk(tree):
            if not isinstance(node, ast.Name) or node.id not in used or node.id not in space:
                continue
            place = _offset(source, node.lineno, node.col_offset)
            if any(start <= place < end for start, end, _ in gone):
                continue
            found: Any = space[node.id]
            span: Any = node
            if isinstance(found, ModuleType) and found.__name__.startswith("dlgraph"):
                span = inside[id(node)]  # `arrays.Bundle`: the thing, without its module
                found = getattr(found, span.attr)
            name = self._refer(found, node.id, waiting)
            start = _offset(source, span.lineno, span.col_offset)
            end = _offset(source, span.end_lineno, span.end_col_offset)
            if source[start:end] != name:
                edits.append((start, end, name))
        return edits

    def _refer(self, found: Any, word: str, waiting: list[Any]) -> str:
        if isinstance(found, ModuleType):
            return self._module(found)
        if callable(found):
            home = getattr(found, "__module__", None) or ""
            if not isinstance(found, Primitive) and not _ours(found, home):
                return self._imported(found, word)
            target = _definition(found)
            name = self._reserve(target)
        else:
            target = self._constants.setdefault(id(found), _Constant(found))
            self._held.append(found)
            name = self._reserve(target, word)
        if name not in self._texts:
            waiting.append(target)
        return name


class _Constant:
    # A module's constant: plain values have no name of their own to be known by.
    def __init__(self, value: Any):
        self.value = value


def literal(value: Any, sources: Sources) -> str:
    """A value as Python source; the classes that it needs join the collection.

    Raises OperationError for what cannot be written down.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return repr(value)
    if isinstance(value, float):
        return repr(value) if np.isfinite(value) else f'float("{value}")'
    if isinstance(value, np.dtype):
        return f'np.dtype("{value}")'
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return f"slice({', '.join(literal(part, sources) for part in parts)})"
    if value is Ellipsis:
        return "..."
    if isinstance(value, (tuple, list)):
        inner = [literal(part, sources) for part in value]
        if type(value) not in (tuple, list):
            return f"{sources.name_of(type(value))}({', '.join(inner)})"
        opened, closed = "()" if isinstance(value, tuple) else "[]"
        comma = "," if isinstance(value, tuple) and len(inner) == 1 else ""
        return f"{opened}{', '.join(inner)}{comma}{closed}"
    if isinstance(value, dict):
        pairs = (f"{literal(k, sources)}: {literal(v, sources)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, np.generic):
        return f"np.{value.dtype}({literal(value.item(), sources)})"
    if isinstance(value, type):
        return value.__name__ if value.__module__ == "builtins" else sources.name_of(value)
    raise OperationError(f"a {type(value).__name__} cannot be written as Python source")


def _ours(found: Any, home: str) -> bool:
    # The user's own functions travel along too; those of installed libraries are imported.
    if home.split(".")[0] in ("dlgraph", "__main__"):
        return True
    return isinstance(found, FunctionType) and is_own_code(found.__code__.co_filename)


def _definition(value: Any) -> Any:
    """The function behind a primitive, unless an array function is all there is; or behind a cache.

    A file that is meant to be read does without caches.
    """
    if isinstance(value, _CACHED) or (isinstance(value, Primitive) and not value.ufunc):
        return value.__wrapped__  # type: ignore[union-attr]
    return value


_CACHED = type(functools.cache(len))


def _namespace(value: Any) -> dict[str, Any]:
    return {**vars(inspect.getmodule(value))} if isinstance(value, type) else value.__globals__


def _globals_used(value: Any) -> set[str]:
    held = vars(value).values() if isinstance(value, type) else [value]
    functions = [one.fget if isinstance(one, property) else one for one in held]
    return {n for f in functions if isinstance(f, FunctionType) for n in _loaded(f.__code__)}


def _evaluated_outside(tree: ast.AST) -> set[str]:
    """Names in base classes and default values, which are no part of a function's code."""
    found = list(getattr(tree, "bases", ()))
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            found += [value for value in (*node.defaults, *node.kw_defaults) if value is not None]
    return {n.id for one in found for n in ast.walk(one) if isinstance(n, ast.Name)}


def _loaded(code: CodeType) -> Iterator[str]:
    stack = [code]
    while stack:
        one = stack.pop()
        stack += [const for const in one.co_consts if isinstance(const, CodeType)]
        for step in dis.get_instructions(one):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                yield step.argval


def _without_annotations(tree: ast.AST, source: str) -> Iterator[Edit]:
    """Types are for the package's own checks; in a short file they are noise."""
    for node in ast.walk(tree):
        note: Any = getattr(node, "annotation", None)
        if isinstance(node, ast.arg) and note is not None:
            start = _offset(source, node.lineno, node.col_offset) + len(node.arg)
            end = _offset(source, note.end_lineno, note.end_col_offset)
            default = source[end : end + 3] == " = "
            yield start, end + 3 * default, "=" * default
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target: Any = node.target
            start = _offset(source, target.end_lineno, target.end_col_offset)
            yield start, _offset(source, note.end_lineno, note.end_col_offset), ""
        returns: Any = getattr(node, "returns", None)
        if returns is not None:
            start = _offset(source, returns.lineno, returns.col_offset)
            arrow = source.rindex(")", 0, start) + 1
            yield arrow, _offset(source, returns.end_lineno, returns.end_col_offset), ""


def _without_examples(tree: ast.AST, source: str) -> Iterator[Edit]:
    """Examples in docstrings import dlgraph; what stands above them stays."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or not ast.get_docstring(node):
            continue
        text: Any = node.body[0]
        start = _offset(source, text.lineno, text.col_offset)
        end = _offset(source, text.end_lineno, text.end_col_offset)
        example = source.find(">>>", start, end)
        if example > 0:
            yield start + len(source[start:example].rstrip()), end - 3, ""


def _repeated_checks(tree: ast.AST, source: str, checks: set[str]) -> list[Edit]:
    """`if something is wrong: ask the shape rule`: building the graph has asked it already."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.If) or len(node.body) != 1 or node.orelse:
            continue
        called = getattr(node.body[0], "value", None)
        if isinstance(called, ast.Call) and getattr(called.func, "id", None) in checks:
            end = _offset(source, node.end_lineno or 0, node.end_col_offset or 0)
            start, behind = _offset(source, node.lineno, 0), source.index("\n", end) + 1
            found.append((start, behind, ""))
    return found


def _offset(source: str, line: int, column: int) -> int:
    lines = source.splitlines(keepends=True)
    before = lines[line - 1].encode()[:column].decode()
    return sum(map(len, lines[: line - 1])) + len(before)


def _edited(source: str, edits: list[Edit]) -> str:
    # Annotations go as a whole, together with the names inside them.
    gone = [(start, end) for start, end, text in edits if not text]
    kept = [
        (start, end, text)
        for start, end, text in edits
        if not text or not any(a <= start and end <= b for a, b in gone)
    ]
    for start, end, text in sorted(set(kept), reverse=True):
        source = source[:start] + text + source[end:]
    return source
