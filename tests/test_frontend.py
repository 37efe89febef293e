"""The scripts in the package are what the modules of `frontend/` give.

What the build cannot join it refuses.
"""

from __future__ import annotations

import shutil
import subprocess

import pytest

from dlgraph.draw import boxes, text, theme

pytest.importorskip("minify", reason="tdewolff-minify is not installed: nothing can be joined")
pytest.importorskip("zopfli", reason="zopfli is not installed: nothing can be packed")

from tools import build_frontend as build


def test_modules_written_from_python_are_up_to_date():
    for path, content in build.generated().items():
        assert (build.SOURCE / path).read_text(encoding="utf-8") == content
    sizes = build.generated()["generated/sizes.js"]
    assert f"export const NODE_GAP = {theme.NODE_GAP};" in sizes
    assert f"export const BADGE_ROOM = {boxes.BADGE_ROOM};" in sizes
    assert f"export const OTHER = {text.OTHER};" in build.generated()["generated/widths.js"]


@pytest.mark.parametrize("name", build.BUNDLES)
def test_script_in_the_package_is_a_fresh_build(name):
    stored = (build.TARGET / f"{name}.js").read_text(encoding="utf-8")
    assert stored == build.bundle(build.BUNDLES[name]), "run python tools/build_frontend.py"


def test_what_unpacks_them_is_a_fresh_build():
    stored = (build.TARGET / "unpack.js").read_text(encoding="utf-8")
    assert stored == build.expression(build.UNPACK), "run python tools/build_frontend.py"


def test_no_script_is_left_over():
    assert {path.stem for path in build.TARGET.glob("*.js")} == {*build.BUNDLES, "unpack"}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A folder of modules in place of the project's."""
    monkeypatch.setattr(build, "SOURCE", tmp_path)

    def write(**files):
        for name, content in files.items():
            (tmp_path / f"{name}.js").write_text(content, encoding="utf-8")

    return write


def test_modules_are_joined_after_what_they_import(modules):
    modules(
        main='import { two } from "./b.js";\nexport const four = () => two() + two();\n',
        b='import { ONE } from "./a.js";\nexport function two() {\n  return ONE + ONE;\n}\n',
        a="export const ONE = 1; // a comment\n",
    )
    joined = build.bundle("main.js")
    assert "comment" not in joined and "import" not in joined
    assert joined.startswith("(()=>{") and joined.endswith("})()\n")
    node = shutil.which("node")
    if node:
        run = [node, "-p", f"{joined.strip()}.four()"]
        assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "4\n"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {
                "main": 'import { a } from "./b.js";\nconst c = a;\n',
                "b": "const c = 1;\nexport const a = c;\n",
            },
            "both declare c",
        ),
        ({"main": "export default 3;\n"}, "cannot join 'export default 3;'"),
        ({"main": 'import * as b from "./b.js";\n', "b": ""}, "cannot join 'import"),
        ({"main": 'import { gone } from "./b.js";\n', "b": ""}, "nothing declares gone"),
    ],
)
def test_what_cannot_be_joined_is_refused(modules, files, words):
    modules(**files)
    with pytest.raises(SystemExit, match=words):
        build.bundle("main.js")


def test_check_writes_nothing(modules, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "TARGET", tmp_path / "js")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BUNDLES", {"main": "main.js"})
    monkeypatch.setattr(build, "UNPACK", "unpack.js")
    modules(main="export const ONE = 1;\n", unpack="export function unpack() {}\n")
    assert build.main(["--check"]) == 1
    assert not (tmp_path / "js").exists()
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0
    (tmp_path / "js" / "main.js").write_text("changed")
    assert build.main(["--check"]) == 1
    assert "out of date: js/main.js" in capsys.readouterr().out
