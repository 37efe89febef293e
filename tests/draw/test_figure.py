"""What a notebook, a terminal and a file get."""

from __future__ import annotations

import os
import stat

import pytest

from dlgraph.draw import figure as figure_module
from dlgraph.draw.figure import Figure
from dlgraph.draw.model import Picture, PictureNode
from dlgraph.draw.page import script, source
from dlgraph.errors import DataError, OperationError
from tests.draw.examples import EXAMPLES, chain, training_mlp, two_a_plus_three_b

SCRIPTS = ("figure", "figure_kinds", "figure_large")
SENTENCE = "y = add(multiply(2, a), multiply(3, b)) -> 23; gradients: a 2, b 3"


def test_bundle_has_picture_in_html_svg_and_a_sentence():
    figure = Figure(two_a_plus_three_b())
    bundle = figure._repr_mimebundle_()
    assert list(bundle) == ["text/html", "image/svg+xml", "text/plain"]
    assert bundle["text/plain"] == SENTENCE
    assert bundle["image/svg+xml"] == figure.svg
    words = SENTENCE.replace(">", "&gt;")
    assert f"><img alt='{words}' src='data:image/svg+xml,<svg " in bundle["text/html"]


def test_bundle_of_a_small_graph_is_small():
    bundle = Figure(two_a_plus_three_b())._repr_mimebundle_()
    assert len(bundle["text/html"].encode()) <= 15 * 1024


@pytest.mark.parametrize("name", EXAMPLES)
def test_bundle_grows_with_what_is_drawn(name):
    figure = Figure(EXAMPLES[name]())
    bundle = figure._repr_mimebundle_()
    page = bundle["text/html"]
    (code,) = (text for name in SCRIPTS for text in (script(name), source(name)) if text in page)
    drawn = len(figure.svg) + 500 * len(figure.picture.nodes)
    assert len(page.encode()) <= len(code) + 3 * 1024 + drawn


def test_a_script_is_packed_where_it_would_be_most_of_the_page():
    small, large = Figure(two_a_plus_three_b()), Figure(chain(80, alike=False))
    pages = [one._repr_mimebundle_()["text/html"] for one in (small, large)]
    assert [any(script(name) in page for name in SCRIPTS) for page in pages] == [True, False]
    assert [any(source(name) in page for name in SCRIPTS) for page in pages] == [False, True]


def test_a_picture_takes_the_shortest_script_that_will_do():
    names = {"two_a_plus_three_b": "figure", "branches": "figure_kinds", "scopes": "figure_large"}
    for example, bundle in names.items():
        page = Figure(EXAMPLES[example]())._repr_mimebundle_()["text/html"]
        found = [n for n in SCRIPTS if script(n) in page or source(n) in page]
        assert found == [bundle]


def test_a_plain_picture_needs_no_legend():
    plain, full = (Figure(EXAMPLES[name]()) for name in ("diamond", "training_mlp"))
    pages = [one._repr_mimebundle_()["text/html"] for one in (plain, full)]
    assert [">gradient</text>" in page for page in pages] == [False, True]
    assert ">gradient</text>" in plain.svg  # a file stands alone


def test_alternative_text_cannot_break_out():
    figure = Figure(Picture((PictureNode(0, "'><script>", "input"),), outputs=(0,)))
    html = figure._repr_mimebundle_()["text/html"]
    assert html.count("<script") == html.count("</script>") == 1


def test_too_large_a_figure_is_said_and_not_shown(monkeypatch, tmp_path):
    monkeypatch.setattr(figure_module, "SHOWN_LIMIT", 50)
    figure = Figure(chain(40, alike=False))
    bundle = figure._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "80 boxes" in bundle["text/plain"]
    assert figure.save(tmp_path / "large.svg").exists()


def test_save_writes_the_svg(tmp_path):
    figure = Figure(two_a_plus_three_b())
    path = figure.save(tmp_path / "y.svg")
    assert path.read_text(encoding="utf-8") == figure.svg
    assert figure.save(str(path)) == path  # again, over the old one
    assert os.listdir(tmp_path) == ["y.svg"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
def test_saved_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "other").write_text("")
    path = Figure(two_a_plus_three_b()).save(tmp_path / "y.svg")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


@pytest.mark.parametrize("name", ["y.png", "y", "y.svg.gz"])
def test_other_endings_are_refused_with_a_way_out(tmp_path, name):
    with pytest.raises(OperationError, match=r"only \.svg") as caught:
        Figure(two_a_plus_three_b()).save(tmp_path / name)
    assert ".svg" in caught.value.hint
    assert os.listdir(tmp_path) == []


def test_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "y.svg"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        Figure(two_a_plus_three_b()).save(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["y.svg"]


def test_save_into_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="is the folder there"):
        Figure(two_a_plus_three_b()).save(tmp_path / "missing" / "y.svg")


def test_description_lists_boxes_in_the_order_of_computation():
    assert Figure(two_a_plus_three_b()).describe().splitlines() == [
        SENTENCE,
        "forward:",
        "  a = 4",
        "  b = 5",
        "  multiply [2]: 2·a = 8",
        "  multiply [3]: 3·b = 15",
        "  y add: 2·a + 3·b = 23",
        "backward:",
        "  ∂y/∂y: 1",
        "  ∂y/∂(3·b): 1",
        "  ∂y/∂(2·a): 1",
        "  ∂y/∂b: 3",
        "  ∂y/∂a: 2",
    ]


def test_sentence_says_when_gradients_are_not_there():
    assert str(Figure(two_a_plus_three_b(backward=False))).endswith("; gradients: not computed yet")


def test_sentence_of_a_large_graph_is_a_summary():
    assert str(Figure(training_mlp())) == (
        "loss, made by 18 operations from x, W1, b1, W2, b2, W3 and 6 more; "
        "17 backward nodes; 10 update nodes"
    )
    assert str(Figure(Picture(()))) == "an empty graph"


def test_description_of_a_large_graph_is_cut():
    lines = Figure(chain(500, alike=False)).describe().splitlines()
    assert len(lines) < 200
    assert "  and 420 more" in lines


@pytest.mark.parametrize("path", [3, None, ""])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(OperationError, match=r"save: .* is no path") as caught:
        Figure(two_a_plus_three_b()).save(path)
    assert '"figure.svg"' in caught.value.hint
