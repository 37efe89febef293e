"""The pictures in README are what the figures draw today, and are readable on any page."""

import re
from xml.etree import ElementTree

import pytest

from tools import readme_figures
from tools.normalise_notebooks import ROOT

SVG = "{http://www.w3.org/2000/svg}"

each = pytest.mark.parametrize("name", readme_figures.FIGURES)


@each
def test_the_picture_is_current(name):
    stored = (readme_figures.DOCS / f"{name}.svg").read_text(encoding="utf-8")
    drawn = readme_figures.FIGURES[name]().svg
    assert stored == drawn, "draw it again: python tools/readme_figures.py"


@each
def test_it_brings_its_own_background_and_asks_for_nothing(name):
    """A page of GitHub is white or black, and shows no picture that loads another file."""
    text = (readme_figures.DOCS / f"{name}.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    first = next(one for one in root if one.tag not in (f"{SVG}title", f"{SVG}desc"))
    assert first.tag == f"{SVG}rect" and first.get("fill") == "#fafafa"
    assert float(first.get("width")) >= float(root.get("width")) - 1
    assert float(first.get("height")) >= float(root.get("height")) - 1
    links = re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', text)
    assert all((a or b).startswith(("data:image/png", "#")) for a, b in links)
    assert len(text) < 120_000


def test_readme_shows_each_with_words():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = dict((path, words) for words, path in re.findall(r"!\[([^]]*)\]\(([^)]*)\)", readme))
    assert set(shown) == {f"docs/{name}.svg" for name in readme_figures.FIGURES}
    assert all(len(words.split()) >= 8 for words in shown.values())


def test_a_stale_picture_is_found_and_drawn_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(readme_figures, "DOCS", tmp_path)
    monkeypatch.setattr(readme_figures, "FIGURES", {"formula": readme_figures.FIGURES["formula"]})
    assert readme_figures.main(["--check"]) == 1 and not list(tmp_path.iterdir())
    assert readme_figures.main([]) == 0 and readme_figures.main(["--check"]) == 0
    (tmp_path / "formula.svg").write_text("another picture")
    assert readme_figures.main(["--check"]) == 1
    assert "formula.svg is not what is drawn today" in capsys.readouterr().out
