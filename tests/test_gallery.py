"""The gallery has every figure, and each of its tasks answers: untouched, right and wrong."""

import re

import pytest

import dlgraph as dg
from dlgraph.draw.page import script, source
from tests.played import LESSONS, NOTEBOOKS, UNTOUCHED, cells_of, printed, said
from tools.normalise_notebooks import ROOT

GALLERY = NOTEBOOKS / "gallery.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"
FIGURES = ("draw", "step", "build", "diff", "memory", "view", "profile", "explore")

# Name of the answer: the right one, and wrong ones with words of the reply.  Quotes where none are
# needed, spaces around a word and capital letters are no mistakes.
ANSWERS = {
    "leaves": ("3", {"2": "a leaf reads nothing", "'x'": "count the boxes"}),
    "gradient_of_a": ("7", {"3": "two paths", "12": "are added"}),
    "first_number": ("6", {"1": "does not compute it", "5": "look for session.run"}),
    "best_pass": ("'factors'", {"'update'": "says what it saves", "'cse'": "FLOP"}),
    "reader": ("'sequential/1/relu'", {"'matmul'": "for which gradient", "'add'": "last word"}),
    "with_nan": (
        "11",
        {
            "12": "counted from 0",
            "0": "colour of its own",
            "np.argwhere(np.isnan(images))": "one answer is wanted, here are 3",
            "dg.Tensor([11, 4, 7])": "one answer is wanted, here are 3",
        },
    ),
    "dearest": ("'matmul'", {"'relu'": "work of every step", "'add'": "work of every step"}),
    "b_value": ("-1", {"1": "to make 5", "-2.5": "2 times 4 is 8"}),
}


@pytest.fixture(scope="module")
def played():
    """The gallery run from top to bottom: its names, and what each cell said."""
    namespace = {"__name__": "__main__"}
    cells = [(cell, said(cell.source, namespace)) for cell in cells_of(GALLERY, "code")]
    return namespace, cells


def shown(path):
    """All bundles that are stored in a notebook."""
    return [out["data"] for cell in cells_of(path, "code") for out in cell.outputs if "data" in out]


def test_every_figure_has_a_section_a_question_and_a_task():
    text = [cell.source for cell in cells_of(GALLERY, "markdown")]
    sections = [one for one in text if one.startswith("## ")]
    assert [name for name, one in zip(FIGURES, sections, strict=True) if name in one] == [*FIGURES]
    assert all(re.search(r"\n\n\*\*Question\.\*\* .+\?", one, re.DOTALL) for one in sections)
    tasks = [one for one in text if one.startswith("**Task.** ")]
    assert len(tasks) == len(ANSWERS) == len(FIGURES)


def test_stored_figures_are_pictures_with_words():
    figures = [data for data in shown(GALLERY) if "text/html" in data]
    assert len(figures) == len(FIGURES)
    for data in figures:
        # the picture that is shown where no script runs
        assert re.search(r"<img [^>]*src=['\"]data:image/svg", data["text/html"])
        assert data["image/svg+xml"].startswith("<svg")
        assert data["text/plain"] and "object at" not in data["text/plain"]


@pytest.mark.parametrize("path", [*LESSONS, GALLERY], ids=lambda path: path.stem)
def test_stored_figures_run_the_script_of_today(path):
    """Also those with measured times, which are not compared when the cell is run again."""
    bundles = [one.stem for one in (ROOT / "dlgraph" / "draw" / "js").glob("*.packed")]
    scripts = [code(bundle) for bundle in bundles for code in (script, source)]
    assert scripts
    for data in shown(path):
        if "data-dlgraph" in data.get("text/html", ""):
            words = "clear this cell's output, then run tools/normalise_notebooks.py"
            assert any(one in data["text/html"] for one in scripts), words


@pytest.mark.parametrize("path", [*LESSONS, GALLERY], ids=lambda path: path.stem)
def test_no_view_of_a_widget_is_stored(path):
    """Without its kernel such a view shows nothing but "model not found"."""
    assert all(WIDGET not in data for data in shown(path))
    assert "not found" not in path.read_text(encoding="utf-8")


def test_only_measured_times_are_not_compared():
    ignored = [c for c in cells_of(GALLERY, "code") if "nbval-ignore-output" in c.metadata["tags"]]
    assert [cell.source.splitlines()[0] for cell in ignored] == ["profile = program.profile(feed)"]


def test_each_task_has_a_folded_check_and_an_answer_cell():
    tags = [set(cell.metadata["tags"]) & {"checks", "answer"} for cell in cells_of(GALLERY, "code")]
    assert [tag for one in tags for tag in one] == ["checks", "answer"] * len(ANSWERS)
    for cell in cells_of(GALLERY, "code", "checks"):
        assert cell.source.startswith("# The check of this task: run it once.\n")
        assert cell.metadata["jupyter"]["source_hidden"]


def test_untouched_tasks_say_so(played):
    answers = [(cell, text) for cell, text in played[1] if "answer" in cell.metadata["tags"]]
    assert len(answers) == len(ANSWERS)
    for cell, text in answers:
        assert cell.source.count("...") == 1
        assert text == printed(cell) == UNTOUCHED, cell.source


def test_every_answer_gets_its_reply(played):
    namespace, cells = played
    answers = [cell for cell, _ in cells if "answer" in cell.metadata["tags"]]
    for cell, (name, (right, wrong)) in zip(answers, ANSWERS.items(), strict=True):
        assert cell.source.startswith(f"{name} = ...")
        for answer in (right, f"' {str(eval(right)).capitalize()}'"):
            assert said(cell.source.replace("...", answer, 1), namespace) == "Right.\n", name
        for answer, words in wrong.items():
            reply = said(cell.source.replace("...", answer, 1), namespace)
            assert reply.startswith("Not yet: ") and words in reply, (name, answer, reply)


def test_the_figures_say_what_the_checks_take_for_right(played):
    names = played[0]
    assert "saved for the gradient of sequential/1/relu" in bar(dg.memory(names["program"]), 0)
    assert "gradients: a 7, b 2, c 2" in shown_by("dg.step(y)")
    moments = dg.build(names["formula"], 4.0, 5.0).describe()
    assert re.search(r"\n +6 .*\n.*finished\n +define-then-run +computes", moments)
    assert not re.search(r"\n +5 .*\n.*\n +define-then-run +computes", moments)
    assert "NaN: 1, at [11, " in dg.view(names["images"]).describe()


def bar(figure, number):
    return figure.describe().splitlines()[1 + number]


def shown_by(line):
    """The words that are stored under the cell that ends with this line."""
    (cell,) = (c for c in cells_of(GALLERY, "code") if c.source.endswith("\n" + line))
    return cell.outputs[0].data["text/plain"]
