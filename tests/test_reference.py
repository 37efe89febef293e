"""Every public name is on one page of the reference, and has an example that doctest runs."""

import doctest
import importlib
import inspect
import re
from collections import Counter
from types import ModuleType

import pytest

from tools.normalise_notebooks import ROOT

MODULES = ("", "nn", "nn.init", "optim", "data", "gpu", "io", "passes", "testing", "errors")


def at(path):
    module, _, name = f"dlgraph.{path}".rpartition(".")
    return getattr(importlib.import_module(module), name)


def public(where):
    """Names of a module's public objects; where it has no `__all__`, those of its own."""
    module = importlib.import_module(f"dlgraph.{where}".rstrip("."))
    own = where and not hasattr(module, "__all__")
    for name in getattr(module, "__all__", dir(module)):
        thing = getattr(module, name)
        if name.startswith("_") or isinstance(thing, ModuleType):
            continue
        if not own or getattr(thing, "__module__", None) == module.__name__:
            yield f"{where}.{name}".lstrip(".")


PUBLIC = [path for where in MODULES for path in public(where)]
LISTED = [
    (page.name, path)
    for page in sorted((ROOT / "docs" / "reference").glob("*.md"))
    for block in re.findall(r"^```\{reference\}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    for path in block.split()
]


def test_there_is_something_to_check():
    assert len(PUBLIC) > 250 and {"add", "nn.Linear", "io.save", "errors.ShapeError"} <= {*PUBLIC}


def test_every_listed_name_exists():
    def exists(path):
        try:
            return callable(at(path))
        except (ImportError, AttributeError):
            return False

    assert not [entry for entry in LISTED if not exists(entry[1])]


@pytest.mark.parametrize("where", MODULES)
def test_every_public_name_is_listed_once(where):
    """`dg.save` and `dg.io.save` are one thing, and stand in one place."""
    times = Counter(id(at(path)) for _, path in LISTED)
    wrong = {path: times[id(at(path))] for path in public(where) if times[id(at(path))] != 1}
    assert not wrong, f"on so many pages of docs/reference: {wrong}"


def test_every_page_can_be_reached():
    pages = {page.stem for page in (ROOT / "docs" / "reference").glob("*.md")} - {"index"}
    contents = (ROOT / "docs" / "reference" / "index.md").read_text("utf-8")
    assert set(re.search(r"```\{toctree\}.*?\n\n(.*?)```", contents, re.S)[1].split()) == pages


def is_error(thing):
    return inspect.isclass(thing) and issubclass(thing, Exception)


def test_every_public_name_has_a_docstring():
    # `__doc__` and not `getdoc`: a subclass does not borrow the words of its base.
    assert not [path for _, path in LISTED if not (at(path).__doc__ or "").strip()]


def test_every_public_name_has_an_example_that_doctest_finds():
    """Errors and warnings need none: they say what is wrong; `DlgraphError` shows how they read."""
    things = [at(path) for _, path in LISTED]
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = set()
    for name in {thing.__module__ for thing in things}:
        tests = finder.find(importlib.import_module(name), name)
        found |= {test.name for test in tests if test.examples}
    wanted = {f"{thing.__module__}.{thing.__name__}" for thing in things if not is_error(thing)}
    assert not wanted - found


def test_no_example_is_skipped():
    skipped = [path for _, path in LISTED if "doctest: +SKIP" in (at(path).__doc__ or "")]
    assert not skipped
