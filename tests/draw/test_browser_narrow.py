"""Live figures in little room: text stays readable, and what is out of sight is announced.

Skipped where Chromium or playwright is absent.
"""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest

import dlgraph as dg
from tests.draw.test_diff import optimised

SMALLEST = 11  # px of text on the screen
NARROW = {"width": 480, "height": 900}
START = "<!doctype html><meta charset='utf-8'><body>"


def weighted(a, b):
    u = 2 * a
    return u + 3 * b


def drawn():
    dg.seed(0)
    net = dg.nn.Sequential(dg.nn.Linear(4, 3), dg.nn.ReLU(), dg.nn.Linear(3, 2))
    return dg.draw(dg.cross_entropy(net(dg.ones((2, 4))), dg.Tensor([0, 1])))


def stepped():
    values = {"a": 4.0, "b": 5.0, "c": 3.0}
    a, b, c = (dg.Tensor(x, requires_grad=True, name=name) for name, x in values.items())
    return dg.step(a * b + a * c)


def remembered():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((1000,), name="x")
        y = dg.exp(dg.sin(x) * dg.cos(x)).sum()
    return dg.memory(dg.Session(graph).program(y, [x]))


FIGURES = {
    "draw": drawn,
    "step": stepped,
    "build": lambda: dg.build(weighted, 4.0, 5.0),
    "diff": lambda: dg.diff(optimised()),
    "memory": remembered,
    "view a matrix": lambda: dg.view(np.arange(240.0).reshape(6, 40)),
    "view bars": lambda: dg.view(np.arange(-3.0, 60.0)),
    "view images": lambda: dg.view(np.arange(20.0 * 784).reshape(20, 28, 28)),
}
WIDE = sorted(set(FIGURES) - {"build"})  # its pictures stand above each other instead


@pytest.fixture
def stage_of(chromium):
    """The scroll area of a live figure on a page of a size."""
    contexts = []

    def stage_of(figure, **options):
        context = chromium.new_context(**{"viewport": NARROW, "offline": True, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_content(START + figure._repr_mimebundle_()["text/html"])
        page.locator(".stage svg").first.wait_for()
        return page.locator(".stage")

    yield stage_of
    for context in contexts:
        context.close()


def texts(stage):
    """Size on the screen of every text in the picture."""
    return stage.locator("svg text").evaluate_all(
        "all => all.map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)"
    )


def hidden(stage):
    """Pixels of the picture that are out of sight: across, down."""
    return stage.evaluate(
        "one => [one.scrollWidth - one.clientWidth, one.scrollHeight - one.clientHeight]"
    )


def edges(stage):
    """The colour that is most of each edge: left, right, top, bottom."""
    image = pytest.importorskip("PIL.Image")
    stage.page.wait_for_timeout(60)  # until it is painted
    dots = np.asarray(image.open(io.BytesIO(stage.screenshot())).convert("RGB"))
    inner = slice(30, -30)  # the corners are shared
    strips = {
        "left": dots[inner, 1],
        "right": dots[inner, -2],
        "top": dots[1, inner],
        "bottom": dots[-2, inner],
    }
    return {
        name: Counter(map(tuple, strip.tolist())).most_common(1)[0][0]
        for name, strip in strips.items()
    }


@pytest.mark.parametrize("name", FIGURES)
def test_text_stays_readable_on_a_narrow_page(stage_of, name):
    stage = stage_of(FIGURES[name]())
    sizes = texts(stage)
    assert len(sizes) > 3 and min(sizes) >= SMALLEST - 0.01
    assert stage.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", WIDE)
def test_a_shadow_says_where_a_picture_goes_on(stage_of, name, scheme):
    stage = stage_of(FIGURES[name](), color_scheme=scheme)
    assert hidden(stage)[0] > 100
    before = edges(stage)
    assert before["left"] != before["right"]
    stage.evaluate("one => one.scrollTo(9999, 0)")
    after = edges(stage)
    assert after["right"] == before["left"] and after["left"] != before["left"]


def test_a_long_graph_of_passes_is_as_high_as_the_page_allows_and_says_that_it_goes_on(stage_of):
    figure = dg.diff(optimised())
    stage = stage_of(figure, viewport={"width": 1200, "height": 900})
    assert stage.evaluate("one => one.clientHeight") >= 600
    across, down = hidden(stage)
    assert across == 0 and down > 100
    before = edges(stage)
    assert before["top"] != before["bottom"]
    stage.evaluate("one => one.scrollTo(0, 9999)")
    assert edges(stage)["bottom"] == before["top"]
    whole = stage_of(figure, viewport={"width": 1200, "height": 1600})
    assert hidden(whole) == [0, 0] and len(set(edges(whole).values())) == 1


def test_arrow_keys_bring_the_element_of_an_array_into_sight(stage_of):
    stage = stage_of(FIGURES["view bars"]())
    stage.focus()
    for _ in range(60):
        stage.press("ArrowRight")
    assert stage.evaluate("one => one.scrollLeft") > 0
    mark, box = stage.locator(".mark").bounding_box(), stage.bounding_box()
    assert box["x"] <= mark["x"] and mark["x"] + mark["width"] <= box["x"] + box["width"] + 1


def test_a_chart_takes_the_keyboard_only_when_asked(stage_of):
    stage = stage_of(remembered())
    assert stage.page.evaluate("document.activeElement === document.body")
    assert stage.evaluate("one => one.scrollLeft") == 0
    stage.page.keyboard.press("Tab")
    focused = "document.activeElement.shadowRoot.activeElement.dataset.key"
    first = stage.page.evaluate(focused)
    stage.page.keyboard.press("ArrowDown")
    assert first and stage.page.evaluate(focused) not in (None, first)
