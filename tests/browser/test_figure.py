"""`dg.draw` in a real JupyterLab: live, without a kernel, not trusted, exported, in both themes."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager

from tests.draw.test_svg import HOSTILE

CODE = """
import dlgraph as dg
a = dg.Tensor(4.0, requires_grad=True, name="a")
b = dg.Tensor(5.0, requires_grad=True, name="b")
y = 2 * a + 3 * b
y.backward()
dg.draw(y)"""
HOST = ".jp-OutputArea-output [data-dlgraph]"


def box(page, key):
    return page.locator(f"{HOST} [data-key={key}]").first


@contextmanager
def exported(lab, chromium, name):
    """A page without a network that shows the notebook as nbconvert writes it."""
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(lab.folder / name)]
    subprocess.run(command, check=True, capture_output=True)
    context = chromium.new_context(offline=True)
    page = context.new_page()
    page.goto((lab.folder / name).with_suffix(".html").as_uri())
    yield page
    context.close()


def test_it_is_live_and_stays_so_without_a_kernel(notebook):
    nb = notebook(CODE)
    box(nb.page, "f6").wait_for()
    nb.save()
    nb.end_kernel()
    nb.open(run=False, kernel=False)
    box(nb.page, "f6").click()
    panel = nb.page.locator(f"{HOST} .panel")
    assert "2·a + 3·b" in panel.inner_text() and "8 + 15 = 23" in panel.inner_text()
    assert "value 23" in nb.page.locator(f"{HOST} [role=status]").inner_text()


def test_keys_inside_do_not_reach_the_notebook(notebook):
    nb = notebook(CODE)
    box(nb.page, "f6").click()
    cells = nb.page.locator(".jp-Cell").count()
    for key in ("b", "a", "d", "d", "ArrowUp", "x"):
        nb.page.keyboard.press(key)
    assert nb.page.locator(".jp-Cell").count() == cells
    focused = "document.activeElement.shadowRoot.activeElement.dataset.key"
    assert nb.page.evaluate(focused) == "f3"


def test_it_follows_the_theme(notebook):
    nb = notebook(CODE)
    figure = nb.page.locator(f"{HOST} .figure")
    figure.wait_for()
    for theme, dark in (("JupyterLab Dark", True), ("JupyterLab Light", False)):
        nb.theme(theme)
        nb.page.wait_for_function(
            "([host, dark]) => document.querySelector(host).shadowRoot"
            ".querySelector('.figure').classList.contains('dark') == dark",
            arg=[HOST, dark],
        )
        nb.screenshot(theme.replace(" ", "_"))


def test_a_notebook_that_is_not_trusted_shows_the_picture(notebook, lab):
    nb = notebook(CODE)
    box(nb.page, "f6").wait_for()
    stored = nb.save()
    stored["cells"][0]["source"] = "# changed by somebody else"
    (lab.folder / "foreign.ipynb").write_text(json.dumps(stored), "utf-8")
    nb.page.goto(f"{lab.url}/lab/tree/foreign.ipynb?reset")
    image = nb.page.locator(".jp-OutputArea-output img")
    image.wait_for()
    nb.page.wait_for_timeout(500)
    assert nb.page.locator(f"{HOST} .figure").count() == 0
    assert image.evaluate("one => one.complete && one.naturalWidth") > 500
    assert image.bounding_box()["width"] > 500
    assert "gradients: a 2, b 3" in image.get_attribute("alt")


def test_an_exported_page_is_live_offline(notebook, lab, chromium):
    nb = notebook(CODE)
    box(nb.page, "f6").wait_for()
    nb.save()
    with exported(lab, chromium, nb.name) as page:
        page.locator("[data-dlgraph] [data-key=f6]").click()
        assert "8 + 15 = 23" in page.locator("[data-dlgraph] .panel").inner_text()


NAMED = f"""
import dlgraph as dg
from IPython.display import display
for words in {HOSTILE!a}:
    a = dg.Tensor(4.0, requires_grad=True, name=words)
    with dg.name_scope("layer"):
        y = dg.exp(a) * 2
    y.backward(retain_graph=True)
    display(dg.draw(y, title=words), dg.step(y), dg.view([1.0, 2.0], title=words))
"""
# What a name would have become, on the page and in every figure on it.
BROUGHT_IN = """() => {
  const roots = [...document.querySelectorAll("[data-dlgraph]")].map((host) => host.shadowRoot);
  const outputs = [...document.querySelectorAll(".jp-OutputArea-output")];
  const found = [...roots.filter(Boolean), ...outputs].flatMap((root) =>
    [...root.querySelectorAll("[onload],[onerror],[href]:not([href^=data]),iframe,object,b")]);
  const made = roots.filter(Boolean).flatMap((root) => [...root.querySelectorAll("script,img")]);
  return [...found, ...made].map((one) => one.outerHTML.slice(0, 200));
}"""


def figures_live(page, count):
    page.wait_for_function(
        "count => [...document.querySelectorAll('[data-dlgraph]')].filter("
        "host => host.shadowRoot?.querySelector('.stage>*')).length == count",
        arg=count,
    )


def test_names_stay_text_in_the_notebook_and_on_the_exported_page(notebook, lab, chromium):
    nb = notebook(NAMED)
    dialogs = []
    nb.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    figures_live(nb.page, 3 * len(HOSTILE))
    assert nb.page.evaluate(BROUGHT_IN) == []
    texts = nb.page.locator(f"{HOST} .title").all_text_contents()
    assert "<img src=x onerror=alert(1)>" in texts and "重み行列" in texts
    nb.save()
    with exported(lab, chromium, nb.name) as page:
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        figures_live(page, 3 * len(HOSTILE))
        assert page.evaluate(BROUGHT_IN) == []
    assert dialogs == []
