"""`dg.view` in a real JupyterLab: pointed at, enlarged, dark, and without a kernel."""

SMALL = """
import dlgraph as dg
w = dg.Tensor([[0.5, -1.5], [0.25, float("nan")]])
dg.view(w)"""
IMAGES = """
import numpy as np, dlgraph as dg
rng = np.random.default_rng(0)
images = np.zeros((20, 28, 28), "float32")
for k in range(20):
    images[k, 4 + k // 2 : 8 + k // 2, 5:24] = (k + 1) / 20
    images[k, 4:24, 12:15] = 0.5
dg.view(images)"""
ROW = "import numpy as np, dlgraph as dg\ndg.view(np.arange(-3.0, 5.0))"


def says(page, words):
    page.locator("[data-dlgraph] .at").filter(has_text=words).wait_for()


def at(page, selector, across, down):
    """A place inside an element, as shares of its width and height."""
    box = page.locator(f"[data-dlgraph] {selector}").first.bounding_box()
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def test_the_number_under_the_pointer(notebook):
    nb = notebook(SMALL)
    says(nb.page, "Point at an element")
    nb.page.mouse.move(*at(nb.page, "[data-tile]", 0.75, 0.25))
    says(nb.page, "[0, 1] -1.5")
    nb.page.mouse.move(*at(nb.page, "[data-tile]", 0.75, 0.75))
    says(nb.page, "[1, 1] NaN")
    nb.page.locator("[data-dlgraph] .stage").press("ArrowLeft")
    says(nb.page, "[1, 0] 0.25")
    cells = nb.page.locator(".jp-Cell").count()
    nb.page.locator("[data-dlgraph] .stage").press("b")
    assert nb.page.locator(".jp-Cell").count() == cells
    nb.screenshot("small-light")
    nb.theme("JupyterLab Dark")
    nb.screenshot("small-dark")


def test_a_slice_is_enlarged_and_walked_through_without_a_kernel(notebook):
    nb = notebook(IMAGES)
    nb.save()
    nb.end_kernel()
    nb.open(run=False, kernel=False)
    nb.page.set_viewport_size({"width": 1280, "height": 1300})
    nb.page.mouse.move(*at(nb.page, "[data-tile='1']", 13.5 / 28, 5.5 / 28))
    says(nb.page, "[1, 5, 13] 0.5")
    nb.page.mouse.click(*at(nb.page, "[data-tile='1']", 13.5 / 28, 5.5 / 28))
    nb.page.locator("[data-dlgraph] .large b", has_text="[1]").wait_for()
    nb.page.locator("[data-dlgraph] .large button[aria-label='next slice']").click()
    nb.page.locator("[data-dlgraph] .large b", has_text="[2]").wait_for()
    nb.page.mouse.move(*at(nb.page, ".large image", 20.5 / 28, 6.5 / 28))
    says(nb.page, "[2, 6, 20] 0.15")
    nb.screenshot("images-light")
    nb.theme("JupyterLab Dark")
    nb.page.set_viewport_size({"width": 820, "height": 1300})
    nb.screenshot("images-dark-narrow")


def test_bars_say_their_numbers(notebook):
    nb = notebook(ROW)
    nb.page.mouse.move(*at(nb.page, "[data-bar='7']", 0.5, 0.5))
    says(nb.page, "[7] 4")
    nb.page.mouse.move(*at(nb.page, "[data-bar='0']", 0.5, 0.5))
    says(nb.page, "[0] -3")
