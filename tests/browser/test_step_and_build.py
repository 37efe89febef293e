"""`dg.step` and `dg.build` in JupyterLab: keys, predictions, themes, notebooks without kernel."""

import pytest

STEP = """import dlgraph as dg
a = dg.Tensor(4.0, requires_grad=True)
b = dg.Tensor(5.0, requires_grad=True)
c = dg.Tensor(3.0, requires_grad=True)
y = a * b + a * c
dg.step(y)"""
BUILD = """import dlgraph as dg
def choose(x):
    y = x * 2
    if y > 0:
        y = y + 1
    return y
dg.build(choose, 3.0)"""
SUM = """import dlgraph as dg
def weighted(a, b):
    y = 2 * a + 3 * b
    return y
dg.build(weighted, 4.0, 5.0)"""
FIGURE = "[data-dlgraph]"


@pytest.fixture
def figure(notebook, page):
    """The live figure of a cell, with the keyboard on it."""

    def make(cell):
        book = notebook(cell)
        host = page.locator(FIGURE)
        host.locator(".player").wait_for()
        return book, host

    return make


def said(host):
    return host.locator(".said").text_content()


def place(host):
    return host.locator(".place").text_content()


def cells(page):
    return page.locator(".jp-CodeCell").count()


def test_arrow_keys_step_forward_and_back(figure, page):
    _, host = figure(STEP)
    host.locator(".box").first.focus()
    before = cells(page)
    page.keyboard.press("ArrowRight")
    assert said(host) == "a·b = 4·5 = 20" and place(host) == "step 1 of 11, forward"
    page.keyboard.press("End")
    assert said(host).startswith("Done: ∂y/∂a = 8, ∂y/∂b = 4, ∂y/∂c = 4.")
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    assert "3 + 5 = 8" in said(host) and host.locator(".row.sum").count() == 1
    page.keyboard.press("Home")
    assert place(host) == "step 0 of 11, forward"
    for key in "abd":  # shortcuts of the notebook that would add and delete cells
        page.keyboard.press(key)
    assert cells(page) == before


def test_what_is_not_known_yet_cannot_be_read(figure, page):
    _, host = figure(STEP)
    host.locator(".box").first.focus()
    assert host.locator("[data-key=b0] text").all_text_contents() == ["∂y/∂a", "?"]
    assert "ghost" in host.locator("[data-key=b0]").get_attribute("class")
    page.keyboard.press("End")
    assert "3 + 5 = 8" in host.locator("[data-key=b0]").text_content()
    assert "3 + 5 = 8" in host.locator("[data-key=b0]").get_attribute("aria-label")
    page.keyboard.press("Home")
    assert "8" not in host.locator("[data-key=b0]").get_attribute("aria-label")


def test_a_predicted_number_cannot_be_read_before_it_is_shown(figure, page):
    _, host = figure(STEP)
    host.locator(".box").first.focus()
    for key in [*["ArrowRight"] * 8, "q", "ArrowRight"]:  # asked for 3, of which ∂y/∂a becomes 8
        page.keyboard.press(key)
    host.locator(".question").wait_for()
    gradients = host.locator("[data-key=b0], [data-key=b1], [data-key=b2]").evaluate_all(
        "all => all.map(one => one.textContent + one.getAttribute('aria-label'))"
    )
    assert len(gradients) == 3 and "1 of 2 paths" in gradients[0]
    assert "8" not in gradients[0] and "5" not in gradients[0]


def test_what_is_not_computed_yet_has_a_formula_and_no_value(figure, page):
    _, host = figure(SUM)
    host.locator(".box").first.focus()

    def says(key):
        box = host.locator(f"[data-key={key}]")
        return box.text_content(), box.get_attribute("aria-label"), box.get_attribute("class")

    for key in ("fe6", "fg6"):
        text, label, name = says(key)
        assert "2·a + 3·b" in text and "ghost" in name
        assert "=" not in text + label and "23" not in text + label
    assert "= 4" in says("fe0")[0] and "= 4" not in says("fg0")[0]
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert "2·a + 3·b = 23" in says("fe6")[0] and "2·a + 3·b = ?" in says("fg6")[0]
    page.keyboard.press("End")
    assert "2·a + 3·b = 23" in says("fg6")[0] and "= 4" in says("fg0")[0]
    page.keyboard.press("Home")
    assert "23" not in says("fe6")[0] + says("fg6")[0]


def test_the_figure_is_one_tab_stop(figure, page):
    _, host = figure(STEP)
    reachable = host.evaluate(
        "host => [...host.shadowRoot.querySelectorAll('button,input,select,[tabindex]')]"
        ".filter(one => one.tabIndex >= 0 && !one.closest('.bar')).length"
    )
    assert reachable == 1


def test_a_prediction_is_asked_for_judged_and_then_shown(figure, page):
    _, host = figure(STEP)
    host.locator(".box").first.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("q")
    page.keyboard.press("ArrowRight")
    assert said(host) == "Which number comes through add to a·b?"
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    assert "How much does y change per unit change of a·b?" in said(host)
    page.keyboard.type("1")  # the wrong answer is selected, so typing replaces it
    page.keyboard.press("Enter")
    assert said(host).startswith("Right: 1 × 1 = 1.") and place(host).startswith("step 5")
    page.keyboard.press("ArrowRight")
    host.get_by_role("button", name="Show").click()
    assert place(host).startswith("step 6")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    assert said(host).startswith("That is the upstream gradient.")
    page.keyboard.press("Escape")
    assert host.locator(".question").count() == 0, "nobody has to answer"
    page.keyboard.press("ArrowRight")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    assert host.locator(".moment small").first.text_content() == "0 of 3 predicted at the first try"
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert place(host).startswith("step 4"), "going back asks nothing"


def test_the_space_bar_plays_and_with_less_motion_it_steps(figure, page):
    page.emulate_media(reduced_motion="reduce")
    _, host = figure(STEP)
    host.locator(".box").first.focus()
    page.keyboard.press(" ")
    assert place(host) == "step 1 of 11, forward"
    page.emulate_media(reduced_motion="no-preference")
    page.keyboard.press(" ")
    host.locator(".place", has_text="step 3 of 11").wait_for()
    page.keyboard.press(" ")
    assert host.locator("button[aria-label^=Play]").count() == 1


def test_a_branch_stops_define_then_run_in_its_cell(figure, page):
    book, host = figure(BUILD)
    host.locator(".box").first.focus()
    page.keyboard.press("End")
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    stopped = host.locator(".sides > .stopped")
    assert "a graph node has no value until the graph runs" in stopped.text_content()
    assert host.locator(".source .now").text_content().strip().endswith("if y > 0:")
    book.theme("JupyterLab Dark")
    assert "dark" in host.locator(".figure").get_attribute("class")
    book.screenshot("build_dark")


def test_on_a_narrow_page_the_pictures_stand_above_each_other(figure, page):
    _, host = figure(BUILD)

    def apart():
        return host.evaluate(
            "host => { const at = k => host.shadowRoot.querySelector(`[data-key=${k}]`)"
            ".getBoundingClientRect(); const [e, g] = [at('fe0'), at('fg0')];"
            "return [g.left - e.left, g.top - e.top] }"
        )

    right, down = apart()
    assert right > 200 and abs(down) < 5
    page.set_viewport_size({"width": 640, "height": 900})
    host.locator(".place").wait_for()
    page.wait_for_timeout(300)
    right, down = apart()
    assert abs(right) < 100 and down > 100


def test_a_saved_notebook_steps_without_a_kernel(figure, page):
    book, _ = figure(STEP)
    book.save()
    book.end_kernel()
    page.reload()
    host = page.locator(FIGURE)
    host.locator(".player").wait_for()
    host.locator(".box").first.focus()
    page.keyboard.press("ArrowRight")
    assert said(host) == "a·b = 4·5 = 20"
