"""Live figures where the system chooses the colours (forced colours, high contrast).

There every border is seen, a transparent one too, and no background is the author's: what is said
by these two alone needs a system colour.  Skipped where Chromium or playwright is absent.
"""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest

import dlgraph as dg

START = "<!doctype html><meta charset='utf-8'><body>"


def weighted(a, b):
    u = 2 * a
    return u + 3 * b


def line():
    a, b = (dg.Tensor([4.0, 5.0], requires_grad=True, name=name) for name in "ab")
    return 2 * a + 3 * b


@pytest.fixture(params=["light", "dark"])
def live(chromium, request):
    """A page with a live figure, in forced colours."""
    contexts = []

    def live(figure):
        context = chromium.new_context(
            offline=True,
            viewport={"width": 1000, "height": 900},
            forced_colors="active",
            color_scheme=request.param,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_content(START + figure._repr_mimebundle_()["text/html"])
        page.locator(".stage svg").first.wait_for()
        return page

    yield live
    for context in contexts:
        context.close()


def dots(place):
    """The pixels of an element: rows, columns, colours."""
    image = pytest.importorskip("PIL.Image")
    place.page.wait_for_timeout(60)  # until it is painted
    return np.asarray(image.open(io.BytesIO(place.screenshot())).convert("RGB")).astype(int)


def ground(place):
    """The colour that is most of an element."""
    return Counter(map(tuple, dots(place)[4:-4, 4:-4].reshape(-1, 3).tolist())).most_common(1)[0][0]


def test_the_line_that_runs_is_marked(live):
    page = live(dg.build(weighted, 4.0, 5.0))
    lines = page.locator(".source div")
    for moment in (0, 1):
        marked = [dots(lines.nth(k))[4:-4, 1:3].mean(axis=(0, 1)).tolist() for k in range(3)]
        assert marked[moment] != marked[2] and marked[1 - moment] == marked[2]
        page.locator(".box").first.focus()
        page.keyboard.press("ArrowRight")


def test_a_pressed_button_is_seen(live):
    page = live(dg.draw(line(), colour="memory"))
    button = page.get_by_role("button", name="Shapes on the edges")
    before = ground(button)
    button.click()
    page.mouse.move(5, 800)
    assert ground(button) != before
    assert np.ptp(dots(button)[4:-4, 4:-4].sum(axis=2)) > 200  # its word is read


def test_the_result_of_a_search_that_enter_takes_is_seen(live):
    page = live(dg.draw(line(), colour="memory"))
    page.locator(".box").first.focus()
    page.keyboard.press("/")
    page.keyboard.type("multiply")
    page.mouse.move(5, 800)
    options = page.locator("li")
    assert ground(options.first) != ground(options.nth(1))
    assert np.ptp(dots(options.first)[4:-4, 4:-4].sum(axis=2)) > 200
