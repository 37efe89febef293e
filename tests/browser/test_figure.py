"""`dg.draw` in a real JupyterLab: live, without a kernel, not trusted, exported, in both themes."""

from __future__ import annotations

import json
import subprocess
import sys

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
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(lab.folder / nb.name)]
    subprocess.run(command, check=True, capture_output=True)
    context = chromium.new_context(offline=True)
    page = context.new_page()
    page.goto((lab.folder / nb.name).with_suffix(".html").as_uri())
    page.locator("[data-dlgraph] [data-key=f6]").click()
    assert "8 + 15 = 23" in page.locator("[data-dlgraph] .panel").inner_text()
    context.close()
