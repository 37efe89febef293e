"""`dg.explore`: the widget around the conversation, without a browser."""

import subprocess
import sys

import pytest

import dlgraph as dg
from dlgraph.errors import MissingPackageError, NonFiniteError

pytest.importorskip("anywidget")

VIEW = "application/vnd.jupyter.widget-view+json"


def explorer():
    a = dg.Tensor(4.0, requires_grad=True, name="a")
    b = dg.Tensor(5.0, requires_grad=True, name="b")
    return dg.explore(2 * a + 3 * b)


def test_a_click_selects_a_tensor_that_is_a_copy():
    w = explorer()
    assert w.selected is None
    w.select("f0")
    assert (w.selected.name, w.selected.item()) == ("a", 4.0)
    w.selected.assign(100.0)
    assert w.selected.item() == 4.0
    w.select("b1")
    assert (w.selected.name, w.selected.item()) == ("gradient of b", 3.0)
    w.select(None)
    assert w.selected is None


def test_set_and_reset():
    w = explorer()
    w.set("b", 1.0)
    assert str(w).endswith("-> 11; gradients: a 2, b 3")
    w.reset()
    assert str(w).endswith("-> 23; gradients: a 2, b 3")
    x = dg.Tensor(1.0, requires_grad=True, name="x")
    with pytest.raises(NonFiniteError):
        dg.explore(dg.log(x)).set(x, -1.0)


def test_every_place_has_something_to_show():
    bundle = explorer()._repr_mimebundle_()
    assert {VIEW, "text/html", "image/svg+xml", "text/plain"} == set(bundle)
    assert bundle["text/plain"].endswith("-> 23; gradients: a 2, b 3")
    again = explorer()._repr_mimebundle_()
    assert all(bundle[kind] == again[kind] for kind in bundle if kind != VIEW)


def test_freezing_gives_the_figure_of_now():
    w = explorer()
    w.set("a", 0.0)
    figure = w.freeze()
    assert str(figure).endswith("-> 15; gradients: a 2, b 3")
    assert w.comm is None  # the front end has let it go
    w.set("a", 1.0)
    assert str(w).endswith("-> 17; gradients: a 2, b 3")


def test_it_is_said_in_words():
    words = explorer().describe()
    assert words.splitlines()[0].endswith("-> 23; gradients: a 2, b 3")
    assert "a = 4" in words


def test_its_script_is_small():
    from dlgraph.widgets.host import module

    assert len(module("explore").encode()) <= 25_000


def run(code):
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def test_only_asking_for_a_widget_imports_one():
    code = (
        "import sys, dlgraph as dg, dlgraph.widgets, dlgraph.widgets.exploration;"
        "print({'anywidget', 'ipywidgets', 'traitlets', 'IPython'} & {*sys.modules})"
    )
    assert run(code) == "set()"


def test_without_anywidget_it_says_what_to_install():
    code = (
        "import sys; sys.modules['anywidget'] = None\n"
        "import dlgraph as dg\n"
        "a = dg.Tensor(1.0, requires_grad=True)\n"
        "try: dg.explore(a * 2)\n"
        "except dg.errors.MissingPackageError as error: print(error)"
    )
    words = run(code)
    assert "anywidget" in words and 'pip install "dlgraph[lab]"' in words
    assert issubclass(MissingPackageError, ImportError)
