"""The SVG text: well-formed, safe, legible, with everything inside."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from dlgraph.draw import theme
from dlgraph.draw.figure import Figure
from dlgraph.draw.model import Edge, Picture, PictureNode
from dlgraph.draw.shapes import number
from dlgraph.draw.text import text_width
from tests.draw.examples import EXAMPLES, chain, training_mlp, two_a_plus_three_b
from tests.draw.geometry import SVG, texts_outside

FIGURES = {name: Figure(example()) for name, example in EXAMPLES.items()}

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onload='alert(1)",
    "]]>",
    "<!-- -->",
    "&lt;b&gt;&#x26;",
    "abc\u202efdp.exe",
    "\x00\x1b[31m",
    "line\nbreak",
    "n" * 10_000,
    "🙂🙃🧮",
    "重み行列",
    "\ud800",
]


def hostile_picture(words: str) -> Picture:
    """The same words in every place that a name can get to."""
    a = PictureNode(
        0,
        words,
        "parameter",
        name=words,
        scope=words,
        shape=words,
        dtype=words,
        value=words,
        gradient=words,
        needs_gradient=True,
        where=words,
    )
    c = PictureNode(1, words, "constant", value=words)
    y = PictureNode(2, words, name=words, formula=words, value=words, needs_gradient=True)
    return Picture((a, c, y), (Edge(0, 2, 0), Edge(1, 2, 1)), title=words, outputs=(2,))


@pytest.mark.parametrize("words", HOSTILE)
def test_names_stay_text(words):
    figure = Figure(hostile_picture(words))
    root = ElementTree.fromstring(figure.svg)  # well-formed, or this raises
    allowed = {"svg", "title", "desc", "g", "rect", "path", "text", "tspan"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= allowed
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or "href" in name]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", figure.svg)
    assert texts_outside(figure.svg, figure.layout, text_width) == []


def test_same_name_is_readable_after_escaping():
    root = ElementTree.fromstring(Figure(hostile_picture("<b> & 'c'")).svg)
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert "<b> & 'c' = <b> & 'c'" in texts


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_text_is_inside_its_box(name):
    figure = FIGURES[name]
    assert texts_outside(figure.svg, figure.layout, text_width) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_text_is_smaller_than_eleven_pixels(name):
    sizes = re.findall(r'font-size="([^"]*)"', FIGURES[name].svg)
    assert sizes and min(map(float, sizes)) >= 11


@pytest.mark.parametrize("name", EXAMPLES)
def test_figure_stands_alone(name):
    root = ElementTree.fromstring(FIGURES[name].svg)
    assert root.get("role") == "img" and root.get("aria-label")
    assert root[0].tag == f"{SVG}title" and root[1].tag == f"{SVG}desc"
    background = root[2]
    assert background.tag == f"{SVG}rect" and background.get("fill") == theme.BACKGROUND
    assert "url(" not in FIGURES[name].svg and "http" not in FIGURES[name].svg[60:]


def test_ids_differ_between_figures_and_not_between_runs():
    ids = [re.findall(r'id="([^"]*)"', figure.svg) for figure in FIGURES.values()]
    flat = [one for row in ids for one in row]
    assert len(flat) == len(set(flat))
    again = Figure(two_a_plus_three_b()).svg
    assert again == FIGURES["two_a_plus_three_b"].svg


def test_size_of_the_page_holds_legend_and_title():
    figure = Figure(Picture((PictureNode(0, "x", "input"),), title="A rather long title " * 3))
    root = ElementTree.fromstring(figure.svg)
    assert float(root.get("width")) > text_width("A rather long title " * 3, 13)


@pytest.mark.parametrize("name", EXAMPLES)
def test_headings_are_on_the_page_and_apart(name):
    root = ElementTree.fromstring(FIGURES[name].svg)
    width = float(root.get("width"))
    spans = []
    for group in root.iter(f"{SVG}g"):
        shift = re.fullmatch(r"translate\(([\d.]+) [\d.]+\)", group.get("transform", ""))
        for text in group.findall(f"{SVG}text") if shift else []:
            words = "".join(text.itertext())
            if words.startswith(("forward:", "backward:")):
                half = text_width(words, 13) / 2
                middle = float(text.get("x")) + float(shift[1])
                spans.append((middle - half, middle + half))
    assert len(spans) == (2 if FIGURES[name].layout.axis is not None else 0)
    if spans:
        assert spans[0][0] > 10 and spans[0][1] + 10 < spans[1][0] and spans[1][1] < width - 20


def test_small_figures_are_small_files():
    assert len(FIGURES["two_a_plus_three_b"].svg) < 8_000
    assert len(FIGURES["training_mlp"].svg) < 30_000
    longer = len(Figure(chain(300, False)).svg) - len(Figure(chain(200, False)).svg)
    assert longer < 100 * 1_000  # two boxes and two lines per node


def test_legend_names_what_occurs_and_nothing_else():
    legend = " ".join(ElementTree.fromstring(FIGURES["two_a_plus_three_b"].svg).itertext())
    for word in ("parameter", "operation", "gradient", "constant"):
        assert f"{word}" in legend
    assert "update" not in legend and "loss" not in legend
    training = " ".join(ElementTree.fromstring(Figure(training_mlp()).svg).itertext())
    assert "update" in training and "loss" in training


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("style", theme.BOXES)
def test_colours_are_legible(style):
    box = theme.BOXES[style]
    assert contrast(box.stroke, theme.BACKGROUND) >= 4.5
    for ink in (theme.INK, theme.MUTED):
        assert contrast(ink, box.fill) >= 4.5


def test_every_role_differs_in_more_than_colour():
    roles = [theme.BOXES[name] for name in ("operation", "parameter", "backward", "update")]
    assert len({(box.shape, box.dash, box.width) for box in roles}) == 4
    dashes = [(line.dash, line.width) for name, line in theme.LINES.items() if name != "turn"]
    assert len(set(dashes)) == len(dashes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12.0, "12"),
        (12.5, "12.5"),
        (0.04, "0"),
        (0.05, "0.1"),
        (-3.26, "-3.3"),
        (-0.04, "0"),
    ],
)
def test_number(value, text):
    assert number(value) == text
