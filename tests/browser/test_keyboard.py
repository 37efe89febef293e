"""Without a mouse: the keyboard is never lost, and reaches everything."""

import pytest

NETWORK = """import dlgraph as dg, numpy as np
dg.seed(1)
x = dg.Tensor(np.ones((6, 5), "float32"), name="x")
loss = dg.cross_entropy(dg.nn.Linear(5, 3)(x), dg.Tensor([0, 1, 2, 0, 1, 2]))
w = dg.explore(loss)
w"""
STEP = """import dlgraph as dg
a = dg.Tensor(4.0, requires_grad=True)
b = dg.Tensor(5.0, requires_grad=True)
y = a * b + a
dg.step(y)"""
IMAGES = "import numpy as np, dlgraph as dg\nimages = np.ones((6, 28, 28))\ndg.view(images)"

# What has the keyboard, as far inside as it goes: tag, key, label or text.
FOCUS = """() => {
  let one = document.activeElement;
  while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
  const words = one.dataset.key ?? one.getAttribute("aria-label") ?? one.textContent;
  return `${one.tagName.toLowerCase()} ${words.slice(0, 40)}`;
}"""


def focused(page):
    return page.evaluate(FOCUS)


def press(page, *keys):
    """What has the keyboard after these keys."""
    for key in keys:
        page.keyboard.press(key)
    return focused(page)


def test_closing_the_details_of_a_tensor_leads_back_to_its_box(notebook):
    nb = notebook(NETWORK)
    nb.page.locator("[data-key=f0]").first.focus()
    nb.page.keyboard.press("Enter")
    canvas = nb.page.locator(".tensor canvas")
    canvas.wait_for()
    assert press(nb.page, "Tab").startswith("canvas")
    nb.page.locator(".tensor .at", has_text="arrow keys").wait_for()
    nb.page.keyboard.press("ArrowDown")
    nb.page.locator(".tensor .at", has_text="[0, 0]").wait_for()
    assert press(nb.page, "Escape") == "g f0"
    nb.page.locator(".tensor").wait_for(state="hidden")


def test_a_pressed_button_of_the_details_keeps_the_keyboard(notebook):
    nb = notebook(STEP.replace("dg.step(y)", "dg.draw(y)"))
    nb.page.locator("[data-key=f0]").first.click()
    nb.page.get_by_role("button", name="trace outputs").click()
    assert focused(nb.page) == "button trace outputs"
    assert press(nb.page, "Escape") == "g f0"


def test_a_question_can_be_left_answered_and_given_up(notebook):
    nb = notebook(STEP)
    nb.page.locator("[data-dlgraph] .box").first.focus()
    assert press(nb.page, "q", *["ArrowRight"] * 5) == "input your prediction"
    assert press(nb.page, "Tab") == "button Check"
    assert press(nb.page, "Tab") == "button Show"
    assert press(nb.page, "Shift+Tab", "Shift+Tab") == "input your prediction"
    assert press(nb.page, "Tab", "Tab", "Enter").startswith("g b")
    nb.page.locator(".place", has_text="step 4 of").wait_for()


def test_slices_are_turned_and_closed(notebook):
    nb = notebook(IMAGES)
    nb.page.locator("[data-dlgraph] .stage").focus()
    nb.page.locator("[data-dlgraph] .at", has_text="arrow keys").wait_for()
    press(nb.page, "ArrowRight", "Enter", "Tab")
    for number in (1, 2):
        assert press(nb.page, *["Tab"] * (number == 1), "Enter") == "button next slice"
        nb.page.locator(".large b", has_text=f"[{number}]").wait_for()
    assert press(nb.page, "Tab", "Enter").startswith("div images")
    nb.page.locator(".large").wait_for(state="hidden")
    assert press(nb.page, "Enter", "Tab", "Escape").startswith("div images")
    nb.page.locator(".large").wait_for(state="hidden")


@pytest.mark.parametrize("width", [740, 1280])
def test_the_list_of_keys_is_seen_whole(notebook, width):
    nb = notebook(STEP.replace("dg.step(y)", "dg.draw(y)"), run=False)
    nb.page.set_viewport_size({"width": width, "height": 900})
    nb.run_all()
    nb.page.locator("[data-dlgraph] .box").first.focus()
    key = focused(nb.page)
    assert press(nb.page, "?") == "div keys"
    over = nb.page.locator(".over")
    assert over.evaluate("one => one.scrollHeight <= one.clientHeight + 1")
    room, frame = over.bounding_box(), nb.page.locator("[data-dlgraph] .figure").bounding_box()
    assert room["y"] + room["height"] < frame["y"] + frame["height"]  # else the output cuts it
    nb.screenshot(f"open-{width}")
    assert press(nb.page, "Escape") == key
    over.wait_for(state="detached")


def test_inputs_with_long_names_stay_inside_on_a_narrow_page(notebook):
    nb = notebook(
        "import dlgraph as dg\n"
        "t = dg.Tensor(0.5, requires_grad=True, name='temperature_of_the_softmax')\n"
        "w = dg.explore(dg.exp(t) * t)\nw",
        run=False,
    )
    nb.page.set_viewport_size({"width": 740, "height": 900})
    nb.run_all()
    field = nb.page.locator(".inputs input[type=text]")
    field.wait_for()
    frame = nb.page.locator(".figure").first.bounding_box()
    room = field.bounding_box()
    assert room["x"] + room["width"] < frame["x"] + frame["width"]
    assert nb.page.locator(".inputs input[type=range]").bounding_box()["width"] > 50
    nb.screenshot("narrow")


def test_a_verdict_stands_beside_its_sign(notebook):
    nb = notebook(STEP, run=False)
    nb.page.set_viewport_size({"width": 740, "height": 900})
    nb.run_all()
    nb.page.locator("[data-dlgraph] .box").first.focus()
    press(nb.page, "q", *["ArrowRight"] * 5, "9", "Enter")
    verdict = nb.page.locator(".verdict", has_text="Not yet")
    verdict.wait_for()
    assert verdict.evaluate("one => getComputedStyle(one).display") == "block"
    nb.screenshot("narrow")
