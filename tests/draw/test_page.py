"""The HTML of a figure: its image, its script, and that both hold whatever names hold."""

from __future__ import annotations

import re
import zlib
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

import dlgraph as dg
from dlgraph.draw import svg, theme
from dlgraph.draw.compact import shortened
from dlgraph.draw.figure import Figure
from dlgraph.draw.page import html, image, script
from tests.draw.examples import EXAMPLES, two_a_plus_three_b
from tests.draw.test_svg import HOSTILE, hostile_picture
from tools.normalise_notebooks import read_rules, scrub

ROOT = Path(__file__).resolve().parents[2]
FOLDER = resources.files("dlgraph.draw").joinpath("js")
BUNDLES = sorted(
    path.name.removesuffix(".packed") for path in FOLDER.iterdir() if "packed" in path.name
)


class Tags(HTMLParser):
    """What a browser makes of a page: tags with attributes, and the text of scripts."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def unpacked(text: str) -> bytes:
    """What frontend/src/page/unpack.js does."""
    alphabet = [chr(code) for code in range(33, 127) if chr(code) not in '"\\<']
    bits, length = 0, 0
    for low, high in zip(text[::2], text[1::2], strict=True):
        bits |= (alphabet.index(low) + 91 * alphabet.index(high)) << length
        length += 13
    data = bits.to_bytes(length // 8 + 1, "little")[: length // 8]
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data)


def live(page: str) -> str:
    return page.partition("<script>")[2]


@pytest.mark.parametrize("bundle", BUNDLES)
def test_packed_script_is_the_script(bundle):
    code = FOLDER.joinpath(f"{bundle}.js").read_bytes().strip()
    assert unpacked(script(bundle)).strip() == code


@pytest.mark.parametrize("bundle", BUNDLES)
def test_packed_script_can_stand_in_a_string_in_a_page(bundle):
    assert not re.search(r'["\\<\s]|[^ -~]', script(bundle))


@pytest.mark.parametrize("bundle", BUNDLES)
def test_scripts_ask_nobody_for_anything(bundle):
    code = FOLDER.joinpath(f"{bundle}.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", code)
    addresses = set(re.findall(r"https?://[^\s\"'`]*", code))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|localStorage|import\(", code)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_holds_a_host_an_image_and_a_script(name):
    figure = Figure(EXAMPLES[name]())
    page = figure._repr_mimebundle_()["text/html"]
    (host, names), (img, attributes), (code, _) = Tags(page).tags
    assert (host, img, code) == ("div", "img", "script")
    assert re.fullmatch(r"[0-9a-f]{10}", names["data-dlgraph"])
    assert names["data-dlgraph"] in live(page)
    assert attributes["alt"] == str(figure)
    head, _, data = attributes["src"].partition(",")
    assert head == "data:image/svg+xml"
    assert ElementTree.fromstring(unquote(data)).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("name", ["two_a_plus_three_b", "diamond"])
def test_a_small_figure_is_small(name):
    page = Figure(EXAMPLES[name]())._repr_mimebundle_()["text/html"]
    assert len(page.encode()) <= 15 * 1024


def test_a_small_figure_is_small_before_backward_too():
    a = dg.Tensor(4.0, requires_grad=True, name="a")
    b = dg.Tensor(5.0, requires_grad=True, name="b")
    y = 2 * a + 3 * b
    page = dg.draw(y)._repr_mimebundle_()["text/html"]
    assert page.count("not computed yet") > 5
    assert len(page.encode()) <= 15 * 1024


def test_values_kept_for_the_backward_pass_need_no_larger_script():
    x = dg.Tensor([[1.0, 2.0]], name="x")
    w = dg.Tensor([[1.0], [2.0]], requires_grad=True, name="w")
    y = dg.relu(x @ w) ** 2
    y.backward(dg.ones((1, 1)), retain_graph=True)
    page = dg.draw(y)._repr_mimebundle_()["text/html"]
    assert '"saved"' in page
    assert len(page.encode()) <= 15 * 1024


@pytest.mark.parametrize("words", HOSTILE)
def test_names_stay_text(words):
    page = Figure(hostile_picture(words))._repr_mimebundle_()["text/html"]
    tags = Tags(page).tags
    assert [tag for tag, _ in tags] == ["div", "img", "script"]
    assert set(tags[1][1]) == {"alt", "src"}
    data = unquote(tags[1][1]["src"].partition(",")[2])
    root = ElementTree.fromstring(data)
    known = {"svg", "style", "g", "rect", "path", "text", "tspan"}
    assert {one.tag.partition("}")[2] for one in root.iter()} <= known
    assert not any(name.startswith("on") for one in root.iter() for name in one.attrib)


def test_figures_on_a_page_have_names_of_their_own():
    first, again = (html({"title": "a"}, text="x") for _ in range(2))
    assert first == again
    assert html({"title": "b"}, text="x")[:40] != first[:40]
    assert html({"title": "a"}, text="y")[:40] != first[:40]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_shorter_image_shows_the_same(name):
    whole = Figure(EXAMPLES[name]()).svg
    before, after = (ElementTree.fromstring(text) for text in (whole, shortened(whole)))

    def seen(root):
        texts = [
            "".join(one.itertext()).strip() for one in root.iter("{http://www.w3.org/2000/svg}text")
        ]
        places = [one.get("x") for one in root.iter("{http://www.w3.org/2000/svg}text")]
        return texts, places, root.get("viewBox")

    assert seen(after) == seen(before)
    paths = [
        "".join(one.get("d") for one in root.iter("{http://www.w3.org/2000/svg}path"))
        for root in (before, after)
    ]
    assert paths[0] == paths[1]
    assert len(shortened(whole)) < 0.75 * len(whole)


def test_shared_paint_becomes_a_class_with_the_same_paint():
    short = shortened(Figure(two_a_plus_three_b()).svg)
    rules = dict(re.findall(r"\.(\w+)\{([^}]*)\}", short))
    used = set(re.findall(r'class="(\w+)"', short))
    assert used == set(rules)
    for colour in (theme.FORWARD, theme.GRADIENT, theme.PARAMETER):
        assert any(colour in rule for rule in rules.values())


def test_quotes_and_marks_of_addresses_are_escaped_in_the_image():
    attributes = Tags(image('<svg a="50%" b="#f">\n\'</svg>', "it's")).tags[0][1]
    assert attributes["alt"] == "it's"
    assert unquote(attributes["src"].partition(",")[2]) == '<svg a="50%" b="#f">\n\'</svg>'


def test_legends_of_both_kinds_use_the_same_words():
    source = (ROOT / "frontend" / "src" / "core" / "legend.js").read_text(encoding="utf-8")
    table, _, lines = source.partition("const WORDS = {")[2].partition("const OTHER_LINES")
    words = dict(re.findall(r'(\w+): "([^"]*)"', table))
    assert words == {style: word for style, (word, _) in svg._WORDS.items()}
    other = dict(re.findall(r'(\w+): "([^"]*)"', lines.partition("}")[0]))
    assert {style: other.get(style, style) for style, (_, line) in svg._WORDS.items() if line} == {
        style: line for style, (_, line) in svg._WORDS.items() if line
    }


def test_palettes_of_the_script_are_those_of_the_pictures():
    code = FOLDER.joinpath("figure.js").read_text(encoding="utf-8")
    palette = dict(
        re.findall(r"--(\w+):(#\w{3,6})", code.partition(".dark")[0].rpartition("--f:#56")[0])
    )
    wanted = {"f": theme.FORWARD, "g": theme.GRADIENT, "p": theme.PARAMETER, "u": theme.UPDATE}
    assert {name: palette[name] for name in wanted} == wanted
    assert (palette["ink"], palette["muted"]) == (theme.INK, theme.MUTED)


@pytest.mark.parametrize("bundle", BUNDLES)
def test_lessons_are_compared_with_the_drawing_in_them(bundle):
    page = html({"title": "what is drawn"}, bundle=bundle, text="a figure")
    assert "what is drawn" in scrub(page, read_rules())
    assert (
        scrub("epoch 1:  50%|#####     | 5/10 [00:01<00:01,  4.9it/s]", read_rules()) == "PROGRESS"
    )
