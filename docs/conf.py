"""How the API reference is built: `sphinx-build -W docs docs/_build`.

The text is in the docstrings, the order in `reference/`, one page per subject.  Four things are
added to Sphinx here: the directive `reference`, docstrings written as in a notebook (`$x^2$`,
`` `code` ``), formulas as MathML, so that the pages need no network, and links from the source.
"""

from __future__ import annotations

import importlib
import inspect
import re
from operator import attrgetter
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import dlgraph

project = "dlgraph"
author = copyright = "The dlgraph authors"
release = version = dlgraph.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
html_theme = "pydata_sphinx_theme"
html_title = f"dlgraph {release}"
html_math_renderer = "mathml"
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": False, "show_prev_next": True}


def public(path: str) -> Any:
    """What a path below `dlgraph` names: `add`, `nn.Linear`, `draw.figure.Figure`."""
    module, _, name = f"dlgraph.{path}".rpartition(".")
    return getattr(importlib.import_module(module), name)


class Reference(SphinxDirective):
    """A table of names with their first sentences, then the full entry of each.

    The content is one path below `dlgraph` per line.
    """

    has_content = True

    def run(self) -> list:
        paths = [line.strip() for line in self.content if line.strip()]
        rows = ["```{eval-rst}", ".. list-table::", "   :widths: 30 70", ""]
        entries = []
        for path in paths:
            thing = public(path)
            role, directive = _kinds(thing)
            rows += [f"   * - :py:{role}:`dg.{path} <dlgraph.{path}>`", f"     - {_first(thing)}"]
            entries += ["", f".. {directive}:: dlgraph.{path}"]
            members = _members(thing) if directive == "autoclass" else []
            entries += [f"   :members: {', '.join(members)}"] if members else []
        return self.parse_text_to_nodes("\n".join([*rows, *entries, "```"]))


def _kinds(thing: Any) -> tuple[str, str]:
    # A primitive is an object that is called; to a reader it is a function.
    if not inspect.isclass(thing):
        return "func", "autofunction"
    return ("exc", "autoexception") if issubclass(thing, Exception) else ("class", "autoclass")


def _members(cls: type) -> list[str]:
    """What the class adds to its bases; an override does what the base says."""
    inherited = {name for base in cls.__mro__[1:] for name in vars(base)}
    texts = {name: inspect.getdoc(member) for name, member in vars(cls).items()}
    return [
        name
        for name, text in texts.items()
        if text and name[0] != "_" and name not in inherited and not text.startswith("Alias for")
    ]


def _first(thing: Any) -> str:
    paragraph = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return notation(re.split(r"(?<=[.?])\s+(?=[A-Z`$])", paragraph, maxsplit=1)[0])


# ---- docstrings ----------------------------------------------------------------------------------

MARKED = re.compile(r"(?<![\\`])(?:\$(?P<math>[^$]+)\$|`(?P<code>[^`]+)`)(?P<after>\w?)")


def notation(text: str) -> str:
    """`$x^2$` and `` `code` `` as reStructuredText."""

    def marked(match: re.Match) -> str:
        math, code, after = match["math"], match["code"], match["after"]
        if math:
            role = f":math:`{' '.join(math.split())}`"
        elif re.fullmatch(r"dg\.[\w.]+", code) and callable(attrgetter(code[3:])(dlgraph)):
            role = f":py:obj:`{code} <{code.replace('dg', 'dlgraph', 1)}>`"
        else:
            role = f"``{' '.join(code.split())}``"
        return role + (rf"\ {after}" if after else "")

    return MARKED.sub(marked, text)


def docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list) -> None:
    """Examples stay as they are; every other paragraph is put into Sphinx's notation."""
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    lines[:] = "\n\n".join(
        text if text.lstrip().startswith(">>>") else notation(text) for text in paragraphs
    ).splitlines()


def signature(app: Sphinx, what: str, name: str, thing: Any, options: Any, text: Any, back: Any):
    """A type that says nothing (`Any`) is left out."""
    if text:
        text = re.sub(r": (~?typing\.)?Any = ", "=", text)
        text = re.sub(r": (~?typing\.)?Any(?=[,)])", "", text)
    return text, None if back in ("Any", "~typing.Any", "typing.Any") else back


# ---- formulas ------------------------------------------------------------------------------------

NAME = r"\\(?:ln|log|exp|sin|cos|tan|sinh|cosh|tanh|operatorname\{\w+\})"
# TeX sets a thin space around the name of a function, browsers do not.
BEFORE_NAME = re.compile(rf"(?<=[\w}})])\s+(?={NAME})")
AFTER_NAME = re.compile(rf"({NAME}(?:_\w|_\{{\w+\}})?)\s+(?=[\w\\])(?!\\left)")


def formula(translator: Any, node: Any, block: bool = False) -> None:
    """MathML, which browsers draw by themselves."""
    tex = AFTER_NAME.sub(r"\1\, ", BEFORE_NAME.sub(r"\, ", node.astext()))
    try:
        # displaystyle: fractions in a line of text are too small to read otherwise.
        text = tex2mathml(tex, as_block=block).replace("<math", '<math displaystyle="true"', 1)
        translator.body.append(text)
    except MathError as error:
        logging.getLogger(__name__).warning("formula %r: %s", tex, error, location=node)
    raise nodes.SkipNode


def formula_block(translator: Any, node: Any) -> None:
    formula(translator, node, block=True)


# ---- links from the source to its entry ----------------------------------------------------------

BACK = re.compile(r'(?<=class="viewcode-back" href=")([^"#]*#)([\w.]+)')


def ways_back(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """`[docs]` leads to the entry itself, under the name that the entry has.

    Sphinx takes all of a source file to be documented under the module of its first entry, so that
    beside `dlgraph.build` it looks for a `dlgraph.BuildFigure`.
    """
    anchors = {name: place for name, _, _, _, place, _ in app.env.get_domain("py").get_objects()}

    def entry(match: re.Match) -> str:
        page_of, tail = match.groups()
        found = {anchors[tail]} if tail in anchors else set()
        while not found and "." in tail:
            tail = tail.partition(".")[2]
            found = {at for name, at in anchors.items() if name.endswith(f".{tail}")}
        if len(found) != 1:
            logging.getLogger(__name__).warning("%s: entries for %s: %s", page, match[2], found)
        return page_of + (found or {match[2]}).pop()

    if page.startswith("_modules/"):
        context["body"] = BACK.sub(entry, context["body"])


def setup(app: Sphinx) -> None:
    """What Sphinx calls when it reads this file."""
    app.add_directive("reference", Reference)
    app.connect("autodoc-process-docstring", docstring)
    app.connect("autodoc-process-signature", signature)
    app.connect("html-page-context", ways_back)
    app.add_html_math_renderer("mathml", (formula, None), (formula_block, None))
