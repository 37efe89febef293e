"""`dg.explore` in a real JupyterLab: moved, typed, clicked, frozen, and left by its kernel."""

import json

LINE = """
import dlgraph as dg
a = dg.Tensor(4.0, requires_grad=True, name="a")
b = dg.Tensor(5.0, requires_grad=True, name="b")
y = 2 * a + 3 * b
w = dg.explore(y)
w"""
NETWORK = """
import dlgraph as dg, numpy as np
dg.seed(1)
x = dg.Tensor(np.random.default_rng(0).normal(size=(6, 5)).astype("float32"), name="x")
model = dg.nn.Sequential(dg.nn.Linear(5, 4), dg.nn.Tanh(), dg.nn.Linear(4, 3))
loss = dg.cross_entropy(model(x), dg.Tensor([0, 1, 2, 0, 1, 2]))
w = dg.explore(loss, title="a small network")
w"""
CURVE = """
import dlgraph as dg
a = dg.Tensor(0.5, requires_grad=True, name="a")
y = dg.log(dg.exp(a) - 1.0)
w = dg.explore(y)
w"""

# Loses as many questions of one kind as `window.losing` says, before the network has them.
LOSE = """count => {
  window.losing = count;
  if (window.lossy) return;
  window.lossy = true;
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    if (window.losing && /"kind":"(hello|set)"/.test(text)) window.losing -= 1;
    else send.call(this, data);
  };
}"""


def box(page, key):
    return page.locator(f".jp-OutputArea-output [data-key={key}]").first


def shown(page, key, words):
    """Wait until a box says this."""
    box(page, key).filter(has_text=words).wait_for()


def slider(page, number=0):
    return page.locator(".inputs input[type=range]").nth(number)


def field(page, number=0):
    return page.locator(".inputs input[type=text]").nth(number)


def saying(page, words):
    page.locator(".account").filter(has_text=words).first.wait_for()


def test_a_slider_moves_what_follows_and_nothing_else(notebook):
    nb = notebook(LINE)
    shown(nb.page, "f6", "= 23")
    for _ in range(10):
        slider(nb.page).press("ArrowRight")
    shown(nb.page, "f0", "= 5")
    shown(nb.page, "f6", "= 25")
    saying(nb.page, "computed again: 2 of 3 values, 0 of 5 gradients")
    assert nb.ask("float(w._exploration.live.value(6)), a.item(), y.item()") == "(25.0, 4.0, 23.0)"
    nb.screenshot("moved")
    nb.page.get_by_role("button", name="Inputs back").click()
    shown(nb.page, "f6", "= 23")


def test_a_typed_value_and_what_cannot_be(notebook):
    nb = notebook(CURVE)
    field(nb.page).fill("2.5")
    field(nb.page).press("Enter")
    shown(nb.page, "f0", "= 2.5")
    for words, answer in (
        ("2,5", "'2,5' is not a number; write decimals with a point: 2.5"),
        ("-1", "becomes NaN where a = -1"),
        ("[1, 2]", "a has shape (), the new value (2,)"),
    ):
        field(nb.page).fill(words)
        field(nb.page).press("Enter")
        saying(nb.page, answer)
        assert field(nb.page).input_value() == "2.5"
    shown(nb.page, "f0", "= 2.5")
    nb.screenshot("refused")
    field(nb.page).fill("1")
    field(nb.page).press("Enter")
    saying(nb.page, "computed again")


def test_on_a_narrow_page_the_picture_scrolls_and_its_text_stays_readable(notebook):
    nb = notebook(NETWORK)
    nb.page.set_viewport_size({"width": 480, "height": 900})
    nb.run_all()  # afresh, in this room
    shown(nb.page, "f0", "x")
    stage = nb.page.locator(".stage").first
    sizes = stage.locator("text").evaluate_all(
        "all => all.map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)"
    )
    assert min(sizes) >= 10.99
    assert stage.evaluate("one => one.scrollWidth > one.clientWidth + 100")
    box(nb.page, "f0").focus()
    nb.page.keyboard.press("End")  # the last box, far to the right
    assert stage.evaluate("one => one.scrollLeft") > 0
    nb.screenshot("narrow")


def test_a_click_gives_the_tensor_in_python(notebook):
    nb = notebook(NETWORK)
    assert nb.ask("w.selected") == "None"
    box(nb.page, "f0").click()
    nb.page.locator(".tensor canvas").wait_for()
    assert nb.ask("type(w.selected).__name__, w.selected.name, w.selected.shape") == (
        "('Tensor', 'x', (6, 5))"
    )
    assert nb.ask("(w.selected.numpy() == x.numpy()).all()") in ("True", "np.True_")
    box(nb.page, "b1").click()
    nb.page.locator(".tensor p.facts", has_text="shape 5 × 4").wait_for()
    assert nb.ask("w.selected.name") == "'gradient of 0.weight'"
    box(nb.page, "b1").press("Escape")
    nb.page.locator(".tensor").wait_for(state="hidden")
    assert nb.ask("w.selected") == "None"


def test_one_element_of_an_array_is_changed(notebook):
    nb = notebook(NETWORK)
    box(nb.page, "f0").click()
    canvas = nb.page.locator(".tensor canvas")
    canvas.wait_for()
    room = canvas.bounding_box()
    canvas.click(position={"x": room["width"] * 0.3, "y": room["height"] * 0.75})
    nb.page.locator(".tensor .at", has_text="[4, 1]").wait_for()
    typed = nb.page.locator(".tensor .edit input[type=text]")
    typed.fill("0.25")
    typed.press("Enter")
    nb.page.locator(".tensor .at", has_text="[4, 1] 0.25").wait_for()
    assert nb.ask("w.selected[4, 1].item(), x[4, 1].item() == 0.25") == "(0.25, False)"
    canvas.press("ArrowRight")
    nb.page.locator(".tensor .at", has_text="[4, 2]").wait_for()
    nb.page.set_viewport_size({"width": 1280, "height": 1400})
    nb.screenshot("element-light")
    nb.theme("JupyterLab Dark")
    nb.screenshot("element-dark")
    nb.page.set_viewport_size({"width": 760, "height": 1400})
    nb.screenshot("element-narrow")


def test_boxes_light_up_in_the_order_of_computation(notebook):
    nb = notebook(CURVE)
    box(nb.page, "f0").wait_for()
    nb.page.evaluate(
        """() => {
          const host = ".jp-OutputArea-output [data-lm-suppress-shortcuts]";
          const hosts = [...document.querySelectorAll(host)];
          const root = hosts.find((one) => one.shadowRoot).shadowRoot;
          window.lit = [];
          new MutationObserver((all) => {
            for (const { target } of all) {
              const key = target.dataset.key;
              if (key && target.classList.contains("lit") && !window.lit.includes(key))
                window.lit.push(key);
            }
          }).observe(root, { subtree: true, attributeFilter: ["class"] });
        }"""
    )
    field(nb.page).fill("1.5")
    field(nb.page).press("Enter")
    nb.page.wait_for_function("() => window.lit.length >= 6")
    change = nb.ask("__import__('json').dumps(w._exploration.live.stale([0]))")
    stale = [i for i in json.loads(change[1:-1]) if i < 5]
    lit = nb.page.evaluate("() => window.lit")
    assert [key for key in lit if key[0] == "f"] == [f"f{i}" for i in stale]
    assert lit.index("b3") < lit.index("b1") < lit.index("b0")
    assert max(lit.index(k) for k in lit if k[0] == "f") < lit.index("b3")


def test_it_answers_while_a_cell_runs(notebook):
    nb = notebook(
        LINE, "import time\nfor _ in range(80): time.sleep(0.1)\nprint('cell done')", run=0
    )
    nb.run_cell(0)
    slider(nb.page).press("ArrowRight")
    shown(nb.page, "f6", "= 23.2")
    nb.page.evaluate(
        """() => {
          window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1;
          window.jupyterapp.commands.execute("notebook:run-cell");
        }"""
    )
    nb.page.locator(".jp-InputPrompt", has_text="[*]").first.wait_for()
    # Not by keys: running a cell takes the focus a moment later.
    slider(nb.page).evaluate(
        "e => { e.value = 9; for (const n of ['input', 'change']) e.dispatchEvent(new Event(n)) }"
    )
    shown(nb.page, "f6", "= 33")
    assert not nb.page.locator(".jp-OutputArea-output", has_text="cell done").count()


def test_freezing_leaves_a_figure_that_lives_without_a_kernel(notebook, lab):
    nb = notebook(LINE, "w.set('a', 10.0)\nw.freeze();", "w")
    nb.page.locator("[data-dlgraph]").first.wait_for()
    assert not nb.page.locator(".inputs").count()
    outputs = nb.save()["cells"][0]["outputs"]
    assert sorted(outputs[0]["data"]) == ["image/svg+xml", "text/html", "text/plain"]
    assert "-> 35" in "".join(outputs[0]["data"]["text/plain"])
    assert sorted(nb.save()["cells"][2]["outputs"][0]["data"]) == sorted(outputs[0]["data"])
    nb.end_kernel()
    nb.open(run=False, kernel=False)
    box(nb.page, "f6").click()  # the script of the figure runs
    shown(nb.page, "f6", "= 35")
    assert "model not found" not in nb.page.locator(".jp-Notebook").inner_text()
    nb.screenshot("frozen")


def test_a_kernel_that_is_shut_down_leaves_a_figure(notebook):
    nb = notebook(LINE)
    slider(nb.page).press("ArrowRight")
    shown(nb.page, "f6", "= 23.2")
    nb.end_kernel()
    nb.page.locator(".inputs").wait_for(state="detached")
    outputs = nb.save()["cells"][0]["outputs"]
    assert "application/vnd.jupyter.widget-view+json" not in outputs[0]["data"]
    assert "-> 23.2" in "".join(outputs[0]["data"]["text/plain"])


def test_a_dead_kernel_is_told_in_words_and_the_picture_still_answers(notebook):
    nb = notebook(LINE)
    shown(nb.page, "f6", "= 23")
    nb.page.evaluate(
        """() => {
          const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
          kernel.requestExecute({ code: "import os; os._exit(1)" }).done.catch(() => 0);
        }"""
    )
    nb.page.locator(".jp-Dialog button", has_text="Ok").click()  # "The kernel has died"
    slider(nb.page).press("ArrowRight")
    saying(nb.page, "Python does not answer")
    assert field(nb.page).input_value() == "4"
    box(nb.page, "f6").click()
    nb.page.locator(".panel", has_text="2·a + 3·b").wait_for()
    nb.screenshot("dead")


def test_a_first_message_that_is_lost_is_sent_again(notebook):
    nb = notebook(LINE, run=False)
    nb.page.evaluate(LOSE, 1)
    nb.run_all()
    slider(nb.page).press("ArrowRight")
    shown(nb.page, "f6", "= 23.2")
    assert nb.page.evaluate("() => window.losing") == 0
    assert nb.page.locator(".account.wrong").count() == 0


def test_a_moved_slider_that_python_did_not_hear_of_is_told_again(notebook):
    nb = notebook(LINE)
    slider(nb.page).press("ArrowRight")
    shown(nb.page, "f6", "= 23.2")
    nb.page.evaluate(LOSE, 1)
    slider(nb.page).press("ArrowRight")
    shown(nb.page, "f6", "= 23.4")
    assert nb.page.locator(".account.wrong").count() == 0


def test_python_that_answers_late_is_found_without_being_touched(notebook):
    nb = notebook(LINE, run=False)
    nb.page.evaluate(LOSE, 3)
    nb.run_all()
    saying(nb.page, "Python does not answer")
    nb.screenshot("silent")
    assert nb.page.locator(".account.wrong").count() == 0  # nobody did anything wrong
    # It asks by itself, and what it then knows is told.
    nb.page.wait_for_function("() => window.losing === 0")
    nb.page.locator(".account", has_text="Python").wait_for(state="detached")
    slider(nb.page).press("ArrowRight")
    shown(nb.page, "f6", "= 23.2")


def test_a_cell_that_is_run_again_starts_afresh(notebook):
    nb = notebook(LINE)
    slider(nb.page).press("ArrowRight")
    shown(nb.page, "f6", "= 23.2")
    nb.run_cell(0)
    shown(nb.page, "f6", "= 23")
    slider(nb.page).press("ArrowRight")
    shown(nb.page, "f6", "= 23.2")
    assert nb.page.locator(".inputs").count() == 1


def test_two_views_of_one_widget_show_the_same(notebook):
    nb = notebook(LINE, "w")
    nb.page.locator(".inputs").nth(1).wait_for()
    field(nb.page, 0).fill("1")
    field(nb.page, 0).press("Enter")
    nb.page.locator("[data-key=f6]", has_text="= 17").nth(1).wait_for()
    assert field(nb.page, 2).input_value() == "1"


def test_keys_stay_in_the_figure_and_names_stay_text(notebook):
    nb = notebook(
        "import dlgraph as dg\n"
        "a = dg.Tensor(2.0, requires_grad=True, name='<img src=x onerror=window.bad=1>')\n"
        "dg.explore(a * a, title='</script><b>bold')"
    )
    box(nb.page, "f1").click()
    cells = nb.page.locator(".jp-Cell").count()
    for key in ("b", "a", "d", "d", "x"):
        box(nb.page, "f1").press(key)
    slider(nb.page).press("b")
    assert nb.page.locator(".jp-Cell").count() == cells
    assert nb.page.evaluate("() => window.bad") is None
    nb.page.get_by_text("</script><b>bold").first.wait_for()


def test_a_graph_node_with_a_feed(notebook):
    nb = notebook(
        "import dlgraph as dg\n"
        "with dg.Graph().as_default():\n"
        "    x = dg.placeholder((), name='x')\n"
        "    n = dg.placeholder((), 'int64', name='n')\n"
        "    y = x ** 2 + n.astype('float32')\n"
        "w = dg.explore(y, {x: 3.0, n: 4})\nw"
    )
    shown(nb.page, "f0", "= 3")
    field(nb.page, 1).fill("2.5")
    field(nb.page, 1).press("Enter")
    saying(nb.page, "n holds whole numbers (int64), 2.5 is not one; whole numbers stay whole")
    slider(nb.page, 1).press("ArrowRight")
    nb.page.locator(".jp-OutputArea-output [data-key]", has_text="= 14").first.wait_for()
