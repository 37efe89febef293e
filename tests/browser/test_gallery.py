"""The tasks of the gallery, done as it asks, with mouse and keyboard: each figure answers."""

import shutil

import pytest

from tests.played import NOTEBOOKS

GALLERY = NOTEBOOKS / "gallery.ipynb"
ALL_CELLS = """() => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.notebookConfig = { ...content.notebookConfig, windowingMode: "none" };
}"""


@pytest.fixture
def figures(notebook, lab):
    """The gallery's live figures by name, all cells run."""
    shutil.copy(GALLERY, lab.folder)
    nb = notebook(name=GALLERY.name, run=False)
    nb.page.evaluate(ALL_CELLS)
    nb.run_all()
    names = ("draw", "step", "build", "diff", "memory", "view", "profile")
    found = {name: nb.page.locator("[data-dlgraph]").nth(k) for k, name in enumerate(names)}
    found["explore"] = nb.page.locator(".jp-OutputArea-output:has(input[type=range])").last
    found["explore"].wait_for()
    assert nb.page.locator("[data-dlgraph]").count() == len(names)
    assert "not found" not in nb.page.locator(".jp-Notebook").inner_text()
    return found


def test_every_task_can_be_done(figures, page):
    def press(*keys):
        for key in keys:
            page.keyboard.press(key)

    figures["draw"].locator(".box", has_text="relu").first.click()
    press("u")
    clear = figures["draw"].locator(".box:not(.faint)")
    leaves = figures["draw"].locator(".box:not(.faint):is(.input,.parameter)")
    assert leaves.count() == 3 and clear.count() == 6

    figures["step"].locator(".box").first.focus()
    press("End")
    assert "∂y/∂a = 7" in figures["step"].locator(".said").text_content()

    figures["build"].locator(".box").first.focus()
    press(*6 * ["ArrowRight"])
    assert figures["build"].locator(".place").text_content().startswith("moment 6 of 9")
    assert "computes left = 2·a = 8" in figures["build"].locator(".figure").inner_text()

    figures["diff"].locator(".box").first.focus()
    passes = []
    while "factors" not in "".join(passes[-1:]):
        press("ArrowRight")
        passes.append(figures["diff"].locator(".pass").inner_text())
        assert len(passes) < 20, passes
    assert "saves 79.5 KFLOP" in passes[-1]

    figures["memory"].locator("[data-key]").first.click()
    panel = figures["memory"].locator(".panel").inner_text()
    assert "saved for the gradient of sequential/1/relu" in panel

    assert "NaN: 1, at [11, 4, 7]" in figures["view"].locator(".figure").inner_text()

    figures["profile"].locator("[data-key]", has_text="matmul").first.click()
    assert "2.51 MFLOP" in figures["profile"].locator(".panel").inner_text()

    number = figures["explore"].locator("input[type=text]").nth(1)
    number.fill("-1")
    number.press("Enter")
    figures["explore"].locator("[data-key=f6]").filter(has_text="= 5").wait_for()
