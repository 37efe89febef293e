"""The live figure in a real browser, from a page that stands alone.

Skipped where Chromium or playwright is absent.
"""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

import dlgraph as dg
from dlgraph.draw import draw
from dlgraph.draw.colouring import mixed
from dlgraph.draw.figure import Figure
from tests.draw.examples import EXAMPLES, chain, two_a_plus_three_b
from tests.draw.test_diff import optimised
from tests.draw.test_svg import HOSTILE, hostile_picture

START = "<!doctype html><meta charset='utf-8'><body>"


@pytest.fixture
def open_page(chromium):
    contexts = []

    def open_page(*pages: str, body: str = "", **options):
        options = {"viewport": {"width": 1000, "height": 900}, **options}
        context = chromium.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("dialog", lambda dialog: page.problems.append(f"dialog {dialog.message}"))
        page.set_content(START.replace("<body>", f"<body {body}>") + "".join(pages))
        return page

    yield open_page
    for context in contexts:
        context.close()


def html(picture) -> str:
    return Figure(picture)._repr_mimebundle_()["text/html"]


def live(page, number: int = 1):
    """Wait until that many figures have started."""
    page.wait_for_function(
        "n => [...document.querySelectorAll('[data-dlgraph]')].filter("
        "h => h.shadowRoot?.querySelector('.stage>*')).length == n",
        arg=number,
        timeout=10_000,
    )
    assert page.problems == []
    return page.locator(".figure").first


def focused(page) -> str:
    return page.evaluate(
        "document.activeElement.shadowRoot?.activeElement?.closest('[data-key]')?.dataset.key"
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_becomes_live(open_page, name):
    figure = Figure(EXAMPLES[name]())
    page = open_page(figure._repr_mimebundle_()["text/html"])
    live(page)
    keys = {placed.box.key for placed in figure.layout.boxes}
    drawn = page.locator("[data-key]").evaluate_all("all => all.map(one => one.dataset.key)")
    assert set(drawn) == keys
    places = {placed.box.key: [placed.x, placed.y] for placed in figure.layout.boxes}
    found = page.evaluate(
        "[...document.querySelector('[data-dlgraph]').shadowRoot.querySelectorAll('[data-key]')]"
        ".map(one => [one.dataset.key, [one.box.x, one.box.y]])"
    )
    assert dict(map(tuple, found)) == places


def test_the_picture_stays_where_no_script_runs(open_page):
    page = open_page(html(two_a_plus_three_b()), java_script_enabled=False)
    box = page.locator("img").bounding_box()
    assert box["width"] > 500 and box["height"] > 200


@pytest.mark.parametrize(
    ("name", "there", "broken"),
    [
        ("two_a_plus_three_b", "new DecompressionStream", "new NoSuchStream"),
        ("two_a_plus_three_b", '"layout":', '"no layout":'),
        ("scopes", "new TextDecoder", "new NoSuchDecoder"),
        ("scopes", '"layout":', '"no layout":'),
    ],
)
def test_where_the_script_fails_the_picture_stays(open_page, name, there, broken):
    text = html(EXAMPLES[name]())
    assert text.count(there) == 1
    page = open_page(text.replace(there, broken))
    page.wait_for_timeout(200)
    assert page.problems != []
    assert page.locator("img").bounding_box()["width"] > 500
    assert page.locator("img").is_visible()


@pytest.mark.parametrize(
    ("there", "broken"),
    [("currentScript.dg=", "currentScript.no="), ('"layout":', '"no layout":')],
)
def test_where_the_script_of_a_long_figure_fails_all_its_pictures_come_back(
    open_page, there, broken
):
    text = html(chain(80, alike=False))
    assert text.count(there) == 1
    text = text.replace(there, broken)
    page = open_page(text, text)
    page.wait_for_timeout(200)
    assert page.problems != []
    for image in page.locator("img").all():
        assert image.is_visible() and image.bounding_box()["height"] > 500


@pytest.mark.parametrize("picture", [two_a_plus_three_b(), chain(80, alike=False)])
def test_the_picture_is_not_drawn_under_the_live_figure(open_page, picture):
    page = open_page(html(picture))
    live(page)
    assert page.locator("img").get_attribute("src") is None


def test_two_figures_and_the_same_twice(open_page):
    one, other = html(two_a_plus_three_b()), html(EXAMPLES["branches"]())
    page = open_page(one, other, one)
    live(page, 3)
    names = page.evaluate("Object.keys(window).filter(name => /dg|dlgraph/i.test(name))")
    assert names == []


def test_one_tab_stop_and_arrows_along_the_edges(open_page):
    page = open_page(
        "<button>before</button>", html(two_a_plus_three_b()), "<button>after</button>"
    )
    live(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert focused(page) == "f1"
    walk = {"ArrowDown": "f2", "ArrowRight": "b2", "ArrowUp": "b1", "ArrowLeft": "f1"}
    for key, reached in walk.items():
        page.keyboard.press(key)
        assert focused(page) == reached
    page.keyboard.press("End")
    assert focused(page) == "b6"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "after"


def test_keys_do_not_reach_the_page_and_the_host_says_so(open_page):
    page = open_page(html(two_a_plus_three_b()))
    live(page)
    page.evaluate("heard = []; document.addEventListener('keydown', e => heard.push(e.key))")
    page.keyboard.press("Tab")
    page.evaluate("heard.length = 0")
    for key in ("b", "ArrowDown", "Enter", "x", "d"):
        page.keyboard.press(key)
    assert page.evaluate("heard") == []
    host = page.locator("[data-dlgraph]")
    assert host.get_attribute("data-lm-suppress-shortcuts") == "true"


def test_details_say_what_is_known(open_page):
    page = open_page(html(two_a_plus_three_b()))
    figure = live(page)
    figure.locator("[data-key=f6]").click()
    rows = dict(
        zip(
            figure.locator("dt").all_inner_texts(),
            figure.locator("dd").all_inner_texts(),
            strict=True,
        )
    )
    assert rows == {
        "operation": "add",
        "name": "y",
        "formula": "2·a + 3·b",
        "value": "23",
        "gradient": "1",
        "dtype": "float32",
        "line": "cell [1], line 3: y = 2 * a + 3 * b",
    }
    assert "value 23" in figure.locator("[role=status]").inner_text()
    page.keyboard.press("Escape")
    assert not figure.locator(".panel").is_visible()
    page.keyboard.press("Escape")
    assert focused(page) is None


def test_a_gradient_that_is_not_there_is_no_number(open_page):
    page = open_page(html(two_a_plus_three_b(backward=False)))
    figure = live(page)
    label = figure.locator("[data-key=b1]").get_attribute("aria-label")
    assert "not computed yet" in label and not any(c.isdigit() for c in label)


def test_trace_fades_the_rest(open_page):
    page = open_page(html(two_a_plus_three_b()))
    figure = live(page)
    figure.locator("[data-key=f2]").click()
    page.keyboard.press("u")
    faint = figure.locator(".box.faint").evaluate_all("all => all.map(one => one.dataset.key)")
    assert "f1" not in faint and "f2" not in faint and "f4" in faint
    page.keyboard.press("u")
    assert figure.locator(".faint").count() == 0


def test_three_conventions_show_the_same_graph(open_page):
    page = open_page(html(two_a_plus_three_b()))
    figure = live(page)
    keys = "all => all.map(one => one.dataset.key)"
    count = {}
    for convention in ("operations", "values", "both"):
        figure.locator("select").select_option(convention)
        drawn = figure.locator("[data-key^=f]").evaluate_all(keys)
        count[convention] = len(drawn)
    assert count == {"operations": 5, "values": 5, "both": 8}
    figure.locator("select").select_option("values")
    assert figure.locator(".shapes text").all_text_contents() == ["2 multiply", "3 multiply", "add"]


def test_scopes_open_and_close_by_key(open_page):
    figure_ = Figure(EXAMPLES["scopes"]())
    page = open_page(figure_._repr_mimebundle_()["text/html"])
    figure = live(page)
    closed = next(p.box.key for p in figure_.layout.boxes if p.group >= 0 and p.box.key[0] == "f")
    before = figure.locator(".box").count()
    figure.locator(f"[data-key={closed}]").click()
    page.keyboard.press("+")
    assert figure.locator(".box").count() > before
    assert figure.locator(f"[data-key={closed}]").count() == 0
    page.keyboard.press("-")
    assert figure.locator(f"[data-key={closed}]").count() == 1
    assert focused(page) == closed


def test_search_goes_to_what_it_finds(open_page):
    page = open_page(html(EXAMPLES["training_mlp"]()))
    figure = live(page)
    page.keyboard.press("Tab")
    page.keyboard.press("/")
    page.keyboard.type("cross_ent")
    page.keyboard.press("Enter")
    assert "cross_entropy" in figure.locator(".selected.box").text_content()
    assert focused(page) == figure.locator(".selected.box").get_attribute("data-key")


def test_help_lists_every_key(open_page):
    page = open_page(html(two_a_plus_three_b()))
    figure = live(page)
    page.keyboard.press("Tab")
    page.keyboard.press("?")
    assert figure.get_by_role("dialog").inner_text().count("trace") == 2
    page.keyboard.press("Escape")
    assert figure.get_by_role("dialog").count() == 0


THEMES = [
    ("data-jp-theme-light='false'", "light", True),
    ("data-jp-theme-light='true'", "dark", False),
    ("class='vscode-dark'", "light", True),
    ("class='vscode-light'", "dark", False),
    ("", "dark", True),
    ("", "light", False),
]


@pytest.mark.parametrize(("body", "system", "dark"), THEMES)
def test_the_theme_is_that_of_the_page(open_page, body, system, dark):
    page = open_page(html(two_a_plus_three_b()), body=body, color_scheme=system)
    figure = live(page)
    assert ("dark" in figure.get_attribute("class").split()) == dark
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    page.wait_for_timeout(50)
    assert "dark" not in figure.get_attribute("class").split()


def test_no_movement_for_those_who_ask_for_none(open_page):
    page = open_page(html(two_a_plus_three_b()), reduced_motion="reduce")
    figure = live(page)
    durations = figure.locator(".box").evaluate_all(
        "all => all.map(one => getComputedStyle(one).transitionDuration)"
    )
    assert set(durations) == {"0s"}


def test_no_text_is_smaller_than_eleven_pixels(open_page):
    page = open_page(html(EXAMPLES["rnn_loop"]()))
    figure = live(page)
    figure.locator("[data-key^=f]").first.click()
    sizes = figure.locator("text, dd, dt, button, span").evaluate_all(
        "all => all.map(one => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 11


@pytest.mark.parametrize("words", HOSTILE)
def test_names_stay_text(open_page, words):
    page = open_page(html(hostile_picture(words)))
    figure = live(page)
    figure.locator("[data-key=f2]").click()
    names = figure.locator("*").evaluate_all("all => [...new Set(all.map(one => one.localName))]")
    assert not {"script", "img", "iframe", "b"} & set(names)
    page.wait_for_timeout(50)
    assert page.problems == []


@pytest.mark.parametrize("name", ["two_a_plus_three_b", "scopes"])
def test_saved_svg_stands_alone(open_page, name):
    page = open_page(html(EXAMPLES[name]()), accept_downloads=True)
    figure = live(page)
    with page.expect_download() as waiting:
        figure.get_by_role("button", name="Save as SVG").click()
    path = waiting.value.path()
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    texts = {one.text for one in root.iter() if one.text}
    assert {"a", "multiply"} <= texts or "matmul" in texts
    assert "var(" not in path.read_text(encoding="utf-8")
    assert waiting.value.suggested_filename.endswith(".svg")


def test_saved_png_has_two_pixels_per_point(open_page):
    page = open_page(html(two_a_plus_three_b()), accept_downloads=True)
    figure = live(page)
    with page.expect_download() as waiting:
        figure.get_by_role("button", name="Save as PNG").click()
    data = waiting.value.path().read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(data[16:20], "big") == 2 * 538


def test_many_boxes_are_drawn_on_a_canvas_with_a_table_beside_it(open_page):
    figure_ = Figure(chain(400))
    page = open_page(figure_._repr_mimebundle_()["text/html"])
    figure = live(page)
    figure.get_by_role("button", name="Open all").click()
    assert figure.locator("canvas").count() == 1
    figure.locator("canvas").focus()
    wait_for_rows(page, 800)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert figure.locator(".panel").is_visible()
    assert figure.locator("[role=status]").inner_text() != ""


ROWS = "document.querySelector('[data-dlgraph]').shadowRoot.querySelectorAll('table tr').length"
# By this clock every step of long work fills its slice: what comes between them is always the same.
SLOW = "() => { let now = 0; performance.now = () => (now += 1000) }"
OPEN_ALL = """host => {
  const root = host.shadowRoot;
  const button = [...root.querySelectorAll("button")].find(one => one.ariaLabel === "Open all");
  button.click();
  const box = root.querySelector("[data-key=f0] .o");
  box.dispatchEvent(new MouseEvent("click", { bubbles: true, composed: true }));
  return [root.querySelector(".figure").ariaBusy, root.querySelector(".panel h4").textContent];
}"""


def wait_for_rows(page, count):
    page.wait_for_function(f"count => {ROWS} === count", arg=count, timeout=30_000)


# Looks between the slices, and presses a key as soon as there are rows.
WATCH = f"""() => {{
  window.seen = [];
  const look = () => {{
    const {{ shadowRoot }} = document.querySelector("[data-dlgraph]");
    const rows = {ROWS};
    if (rows && !window.seen.at(-1)) {{
      const key = new KeyboardEvent("keydown", {{ key: "ArrowDown", bubbles: true }});
      shadowRoot.querySelector("canvas").dispatchEvent(key);
      window.said = shadowRoot.querySelector("[role=status]").textContent;
    }}
    window.seen.push(rows);
    if (rows < 2400) setTimeout(look);
  }};
  setTimeout(look);
}}"""


def test_a_large_picture_comes_in_slices_between_which_the_figure_can_be_used(open_page):
    page = open_page(html(chain(1200)))
    figure = live(page)
    page.evaluate(SLOW)
    page.evaluate(WATCH)
    # The old picture is still there and answers.
    assert page.locator("[data-dlgraph]").evaluate(OPEN_ALL) == ["true", "x"]
    wait_for_rows(page, 2400)
    seen = page.evaluate("window.seen")
    assert seen.count(0) > 5, "the layout was made at once"
    assert len({rows for rows in seen if 0 < rows < 2400}) > 2, "the table was filled at once"
    assert page.evaluate("window.said").startswith("tanh")  # where the key led
    assert figure.evaluate("one => one.ariaBusy") == "false"
    captions = figure.locator("caption").all_text_contents()
    assert captions[0] == "boxes 1 to 250 of 2400" and captions[-1] == "boxes 2251 to 2400 of 2400"
    assert page.problems == []


CHANGE_MIND = """async host => {
  const root = host.shadowRoot;
  const click = name =>
    [...root.querySelectorAll("button")].find(one => one.ariaLabel === name).click();
  const turn = () => new Promise(done => setTimeout(done));
  click("Open all");
  for (let k = 0; k < 3; k++) await turn();
  click("Close all");
  const seen = new Set();
  for (let k = 0; k < 100; k++) {
    await turn();
    seen.add(root.querySelectorAll("canvas").length);
  }
  return [...seen, root.querySelector(".figure").ariaBusy, root.querySelectorAll(".box").length];
}"""


def test_the_last_choice_is_drawn_when_a_large_picture_is_not_there_yet(open_page):
    page = open_page(html(chain(1200)))
    figure = live(page)
    first = figure.locator(".box").count()
    page.evaluate(SLOW)
    canvases, busy, boxes = page.locator("[data-dlgraph]").evaluate(CHANGE_MIND)
    assert canvases == 0 and busy == "false" and 0 < boxes < first
    assert page.problems == []


CLOSE = """async drawn => {
  const host = document.querySelector("[data-dlgraph]");
  const count = () => host.shadowRoot.querySelectorAll("tr").length;
  const turn = () => new Promise(done => setTimeout(done));
  while (drawn && !count()) await turn();
  host.remove();
  const before = count();
  for (let k = 0; k < 100; k++) await turn();
  return [before, count()];
}"""


@pytest.mark.parametrize("drawn", [False, True])
def test_a_figure_that_is_closed_meanwhile_ends_its_work(open_page, drawn):
    page = open_page(html(chain(1200)))
    live(page)
    page.evaluate(SLOW)
    page.locator("[data-dlgraph]").evaluate(OPEN_ALL)
    before, after = page.evaluate(CLOSE, drawn)
    assert before == after < 2400
    assert (before > 0) == drawn
    assert page.problems == []


def test_a_click_beside_the_words_of_a_box_selects_it(open_page):
    page = open_page(html(two_a_plus_three_b()))
    figure = live(page)
    for key in ("f1", "f2", "f6", "b6"):  # an input has no fill
        box = figure.locator(f"[data-key={key}] .o").first.bounding_box()
        page.mouse.click(box["x"] + 8, box["y"] + box["height"] / 2)
        assert figure.locator(".selected.box").get_attribute("data-key") == key


def test_a_tooltip_says_what_is_under_the_pointer(open_page):
    page = open_page(html(two_a_plus_three_b()))
    figure = live(page)
    figure.locator("[data-key=f6]").hover()
    assert "value 23" in figure.locator(".stage").get_attribute("title")
    page.mouse.move(2, 2)
    figure.locator(".stage").hover(position={"x": 2, "y": 2})
    assert not figure.locator(".stage").get_attribute("title")


def test_what_is_kept_is_shown_on_demand(open_page):
    page = open_page(html(EXAMPLES["scopes"]()), html(EXAMPLES["rnn_loop"]()))
    figure = live(page, 2)
    kept = figure.get_by_role("button", name="kept for the backward pass")
    boxes = figure.locator(".box").count()
    assert figure.locator(".line.saved").count() == 0
    kept.click()
    shown = figure.locator(".line.saved").count()
    assert shown > 4 and kept.get_attribute("aria-pressed") == "true"
    figure.get_by_role("button", name="Open all").click()
    assert figure.locator(".line.saved").count() > shown
    figure.get_by_role("button", name="Close all").click()
    kept.click()
    assert figure.locator(".line.saved").count() == 0 and figure.locator(".box").count() != boxes


COLOURS = [
    ("data-jp-theme-light='false'", "--jp-layout-color1:#111111", "rgb(17, 17, 17)"),
    ("class='vscode-dark'", "--vscode-editor-background:#1e1e1e", "rgb(30, 30, 30)"),
    ("class='vscode-high-contrast'", "--vscode-editor-background:#000000", "rgb(0, 0, 0)"),
    ("data-jp-theme-light='true'", "", "rgb(250, 250, 250)"),
]


@pytest.mark.parametrize(("body", "style", "ground"), COLOURS)
def test_words_stand_out_from_the_ground_of_the_page(open_page, body, style, ground):
    page = open_page(html(EXAMPLES["rnn_loop"]()), body=f"{body} style='{style}'")
    figure = live(page)
    assert figure.evaluate("one => getComputedStyle(one).backgroundColor") == ground
    for selector, name in ((".label", "fill"), (".muted", "fill"), (".tip", "fill")):
        shown = figure.locator(selector).first.evaluate(f"one => getComputedStyle(one).{name}")
        assert contrast(shown, ground) >= 4.5, (selector, shown)


def contrast(one: str, two: str) -> float:
    """The contrast ratio of WCAG 2 of two colours `rgb(r, g, b)`."""

    def light(colour):
        parts = [int(part) / 255 for part in colour.strip("rgb()").split(",")]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((light(one), light(two)))
    return (high + 0.05) / (low + 0.05)


def test_a_canvas_has_all_dots_of_the_screen_and_moves_when_dragged(open_page):
    page = open_page(html(chain(400, alike=False)), device_scale_factor=2)
    figure = live(page)
    canvas = figure.locator("canvas")
    assert canvas.evaluate("one => one.width / one.clientWidth") == 2
    seen = "one => { const pen = one.getContext('2d');"
    seen += "return pen.getImageData(0, 0, one.width, one.height).data.reduce("
    seen += "(sum, value, i) => (sum * 31 + value * (i % 997)) % 1000003, 7) }"
    before = canvas.evaluate(seen)
    box = figure.locator(".stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 400
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 333, steps=5)
    page.mouse.up()
    page.evaluate("new Promise(requestAnimationFrame)")
    assert figure.locator(".stage").evaluate("one => one.scrollTop") == 333
    assert canvas.evaluate(seen) != before
    assert figure.locator(".panel").is_hidden()  # a drag is no click


def coloured_sum():
    """y = 2a + 3b after backward(), coloured by gradient."""
    a = dg.Tensor(4.0, requires_grad=True, name="a")
    b = dg.Tensor(5.0, requires_grad=True, name="b")
    y = 2 * a + 3 * b
    y.backward()
    return draw(y, colour="gradient")


def test_a_figure_starts_with_the_colour_it_was_asked_for(open_page):
    coloured = coloured_sum()._repr_mimebundle_()["text/html"]
    page = open_page(coloured, html(two_a_plus_three_b()), coloured)
    live(page, 3)
    first, plain, second = page.locator(".figure").all()
    assert plain.get_by_role("combobox", name="colour by").count() == 0
    for figure in (first, second):
        assert figure.get_by_role("combobox", name="colour by").input_value() == "gradient"
        texts = figure.locator("[data-key^=f] text:last-of-type").all_text_contents()
        assert sorted(texts) == [f"gradient norm {n}" for n in (1, 1, 1, 2, 3)]
    assert first.locator(".legend span").all_text_contents() == [
        *("input", "operation", "gradient", "constant"),
        *("gradient norm 1", "gradient norm 3"),  # what the colours mean
    ]
    first.get_by_role("combobox", name="colour by").select_option("")
    assert first.locator(".legend .scale").count() == 0


def test_the_live_colours_are_those_of_the_file(open_page):
    options = {"color_scheme": "light", "reduced_motion": "reduce"}  # no colour on its way
    page = open_page(coloured_sum()._repr_mimebundle_()["text/html"], **options)
    figure = live(page)
    found = dict(
        figure.locator("[data-key^=f]").evaluate_all(
            "all => all.map(one => [one.querySelector('text:last-of-type').textContent,"
            "getComputedStyle(one.querySelector('.o')).fill])"
        )
    )
    for share, norm in ((0.2, 1), (1.0, 3)):
        colour = found[f"gradient norm {norm}"].split("srgb ")[1].rstrip(")").split()
        assert mixed(share) in coloured_sum().svg
        drawn = list(bytes.fromhex(mixed(share)[1:]))
        assert [float(part) * 255 for part in colour] == pytest.approx(drawn, abs=1)


def test_a_coloured_figure_can_be_searched_and_uncoloured(open_page):
    page = open_page(coloured_sum()._repr_mimebundle_()["text/html"])
    figure = live(page)
    page.keyboard.press("Tab")
    page.keyboard.press("/")
    page.keyboard.type("multiply")
    assert figure.get_by_role("listbox").get_by_role("option").count() == 2
    page.keyboard.press("Enter")
    assert "gradient norm 1" in figure.locator(".selected.box").text_content()
    figure.get_by_role("combobox", name="colour by").select_option("")
    assert "norm" not in figure.locator(".selected.box").text_content()
    assert figure.locator("[data-key^=f] .o[style]").count() == 0


def test_a_saved_figure_keeps_its_colours(open_page):
    options = {"color_scheme": "light", "reduced_motion": "reduce", "accept_downloads": True}
    page = open_page(coloured_sum()._repr_mimebundle_()["text/html"], **options)
    figure = live(page)
    outlines = figure.locator("[data-key^=f] .o[style]")
    before = outlines.evaluate_all("all => all.map(one => getComputedStyle(one).fill)")
    with page.expect_download() as waiting:
        figure.get_by_role("button", name="Save as SVG").click()
    text = waiting.value.path().read_text(encoding="utf-8")
    assert "gradient norm 3" in text and "var(" not in text and "color-mix" not in text
    strongest = ", ".join(map(str, bytes.fromhex(mixed(1)[1:])))
    assert f"fill: rgb({strongest})" in text
    # What stays on the page still follows its colours.
    assert outlines.evaluate_all("all => all.map(one => getComputedStyle(one).fill)") == before
    assert "var(" in outlines.first.get_attribute("style")


def test_a_saved_canvas_is_the_whole_picture_with_its_colours(open_page):
    a = dg.Tensor(1.0, requires_grad=True, name="a")
    y = a
    for k in range(260):
        y = y * (1 + 0.001 * k)
    y.backward()
    figure_ = draw(y, colour="gradient")
    options = {"color_scheme": "light", "accept_downloads": True}
    page = open_page(figure_._repr_mimebundle_()["text/html"], **options)
    figure = live(page)
    if not figure.locator("canvas").count():
        figure.get_by_role("button", name="Open all").click()
    assert figure.locator("canvas").count() == 1
    page.keyboard.press("Tab")
    with page.expect_download() as waiting:
        figure.get_by_role("button", name="Save as SVG").click()
    root = ElementTree.fromstring(waiting.value.path().read_text(encoding="utf-8"))
    outlines = [one for one in root.iter() if one.get("class") == "o"]
    assert len(outlines) == 522
    painted = [one for one in outlines if "rgb(" in (one.get("style") or "")]
    assert len(painted) == 261 and len({one.get("style") for one in painted}) > 10
    assert all(one.get("stroke", "").startswith("rgb(") for one in outlines)
    words = "".join(root.itertext())
    assert "gradient norm 1" in words
    page.wait_for_function("() => true")
    assert figure.locator("svg .box").count() == 0  # what was drawn for the file is gone again


def test_a_title_keeps_its_words_on_a_narrow_page(open_page):
    model = dg.nn.Sequential(dg.nn.Linear(3, 4), dg.nn.ReLU(), dg.nn.Linear(7, 2))
    page = open_page(
        draw(model, dg.zeros((5, 3)))._repr_mimebundle_()["text/html"],
        viewport={"width": 480, "height": 700},
    )
    title = live(page).locator(".title")
    assert title.text_content() == "Sequential: stopped before its end"
    assert title.bounding_box()["height"] < 30  # one line, the buttons below it


def test_what_a_pass_computes_in_another_way_is_outlined_twice(open_page):
    page = open_page(dg.diff(optimised())._repr_mimebundle_()["text/html"])
    figure = live(page)
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    changed = figure.locator(".box.changed")
    shown = "all => all.map(one => getComputedStyle(one.querySelector('.ring')).strokeWidth)"
    assert set(changed.evaluate_all(shown)) == {"1.5px"}
    counted = figure.locator(".pass small").first
    assert "computed in another way" in counted.text_content()
    assert counted.locator(".changed .ring").count() == 1
    assert {"update", "gradient"} <= set(figure.locator(".legend span").all_text_contents())
