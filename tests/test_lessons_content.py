"""What a lesson must have: its parts in order, honest stored outputs, exercises that answer.

Each exercise is tried here as a learner would: untouched, with the right answer and with the wrong
answers that its check knows by name.  Lesson 10 runs on the digits, so that it takes seconds.
"""

import re
import textwrap

import pytest

import dlgraph as dg
from tests.played import LESSONS, NOTEBOOKS, UNTOUCHED, cells_of, printed, said

PARTS = {
    *("meta", "hook", "predict", "run", "look", "explain"),
    *("exercise", "trap", "factcheck", "summary"),
}
ORDER = r"meta hook (predict run (look |run )*explain ){2,4}exercise trap factcheck summary "

# Per lesson and answer: what stands in place of the dots; for wrong answers, words of the reply.
ANSWERS = {
    "01_one_formula": {
        "order": (
            "'CEDBAF'",
            {
                "'ABCDEF'": "line A reads left, which",
                "'FADBCE'": "backward()'s way",
                "'CEDB'": "each letter from A to F exactly once",
                "None": "one word is needed",
            },
        ),
        "count": (
            "6",
            {
                "1": "may swap places",
                "2": "C and E have some freedom",
                "720": "all orders",
                "24": "Fix A and F first",
                "'six'": "write one number",
                "[24]": "write one number",
            },
        ),
        "z": (
            "(p + q) * (p - q)",
            {
                "(4 + 5) * (4 - 5)": "only a number",
                "dg.Tensor(-9.0)": "only a number",
                "p * p + q * q": "the value is 41.0",
                "p * p - q * q": "multiply, multiply, subtract",
                "(4.0 + q) * (p - 5.0)": "constant",
                "(p + q) * dg.Tensor([1.0, -1.0])": "the value is [ 9. -9.]",
            },
        ),
    },
    "02_two_modes": {
        "fetches": (
            "[s, t]",
            {
                "s": "the single value 5.0",
                "[t, s]": "in the order of the fetches",
                "[5.0, 20.0]": "Fetch the nodes",
                "['s', 't']": "names in Python",
                "{'s': s, 't': t}": "a dict of nodes gives a dict",
                "[[s, t]]": "no list inside it",
                "[s, u]": "this returns [5.0, 2.0]",
            },
        ),
        "feeds": (
            "'pq'",
            {
                "'pqr'": "only t reads r",
                "'p'": "Algebra says",
                "''": "placeholder 'p'",
                "[p, q]": "as one word in quotes",
                "'pqx'": "as one word in quotes",
            },
        ),
        "phases": (
            "'BIBRR'",
            {
                "'RIBRR'": "event 1",
                "'BBBRR'": "event 2",
                "'BIRRR'": "event 3",
                "'BIBBR'": "event 4",
                "'BIBRB'": "event 5",
                "'BIR'": "five letters",
            },
        ),
    },
    "10_mnist_twice": {
        "lines": (
            "{2, 5, 6, 10}",
            {
                "{3}": "line above it",
                "{2, 4}": "not to shuffle",
                "{2, 5, 9}": "right for each batch",
                "[7]": "no mistake in line 7",
                "{5}": "3 to be found. A hint for one: Compare each comment",
                "{2, 5, 6}": "1 to be found. A hint for one: From how many images",
                "None": "write the numbers of the lines",
            },
        ),
        "overall": (
            "(accuracies * sizes).sum() / sizes.sum()",
            {
                "accuracies.mean()": "every batch counts the same",
                "(accuracies * sizes).sum() / len(sizes)": "not by the number of batches",
                "100 * (accuracies * sizes).sum() / sizes.sum()": "not per cent",
                "accuracies": "one number",
                "None": "one number",
                "0.5": "how many images of each batch",
                "(sizes.sort(), accuracies @ sizes / sizes.sum())[1]": "images of each batch",
            },
        ),
        "settings": (
            "dict(lr=0.05, epochs=3)",
            {
                "dict(lr=0.001, epochs=2)": "Small steps need more",
                "dict(lr=100.0, epochs=1)": "steps are too large",
                "dict(lr=0.01, epochs=1)": "validation accuracy",
                "dict(lr=0.05, epochs=50)": "1, 2, 3 or 4 epochs",
                "{'lr': 0.05}": "give both",
                "0.05": "give both",
                "dict(lr='0.05', epochs=2)": "a number above 0",
                "dict(lr=float('nan'), epochs=2)": "a number above 0",
            },
        ),
    },
    "11_mnist_gpu": {
        "waiting": (
            "400",
            {
                "480": "each waited for the other",
                "80": "what has not been launched",
                "12": "A step has 40",
                "10": "A step has 40",
                "1000": "who is busy all the time",
                "[400]": "write one number",
            },
        ),
        "two": (
            "x - dg.max(x)",
            {
                "x * 2 + 1": "Element-wise operations share one",
                "dg.sum(x * x)": "do the element-wise work before it",
                "dg.exp(x) / dg.sum(dg.exp(x))": "3 kernels (k0_exp_sum, k1_divide, k2_multiply)",
                "dg.softmax(x)": "1 kernel (k0_softmax)",
                "dg.stack([x, x]) @ x": "sums or extremes only",
                "5.0": "compute something with x",
                "x[::-1]": "0 kernels. Nothing",
                "(2 * dg.sum(x) + dg.max(x)) * x": "k0_sum_max, k1_fused, k2_multiply",
            },
        ),
    },
}

# The same right answers, written as somebody else might.
ALSO_RIGHT = {
    "order": ("'ecdbaf'", "'C, E, D, B, A, F'", "['C', 'D', 'E', 'B', 'A', 'F']"),
    "count": ("6.0", "'6'"),
    "z": ("(p - q) * (q + p)", "dg.multiply(p + q, p - q)"),
    "fetches": ("(s, t)", "['add', t]"),
    "feeds": ("'QP'", "'p, q'", "['p', 'q']"),
    "phases": ("'b i b r r'", "['B', 'I', 'B', 'R', 'R']"),
    "lines": (
        "[10, 6, 5, 2]",
        "'2, 5, 6, 10'",
        "np.array([2, 5, 6, 10])",
        "[*np.array([2, 5, 6.0, 10])]",
    ),
    "overall": (
        "np.average(accuracies, weights=sizes)",
        "np.float32(accuracies @ sizes / sum(sizes))",
        "dg.Tensor(accuracies @ sizes / sizes.sum())",
        "np.multiply(accuracies, sizes, out=accuracies).sum() / sizes.sum()",
    ),
    "settings": ("{'epochs': 4.0, 'lr': 0.02}", "dict(lr=np.float32(0.05), epochs=3)"),
    "waiting": ("402", "'400'", "40 * 10.0"),
    "two": ("x - x.mean()", "2 * x.sum() + 1", "x * x.min()"),
}


def part_of(cell):
    found = [tag for tag in cell.metadata.get("tags", []) if tag in PARTS]
    assert len(found) == 1, f"one of {sorted(PARTS)} must be a tag of this cell: {cell.source}"
    return found[0]


by_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


@pytest.fixture(scope="module", params=LESSONS, ids=lambda path: path.stem)
def played(request):
    """A lesson run from top to bottom on the digits: its path, its names, what each cell said."""
    import matplotlib

    matplotlib.use("Agg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dg.data, "mnist_or_digits", dg.data.digits)
        namespace = {"__name__": "__main__"}
        cells = cells_of(request.param, "code")
        yield request.param, namespace, [(cell, said(cell.source, namespace)) for cell in cells]


# ---- form


@by_lesson
def test_parts_are_there_and_in_order(path):
    parts = [part_of(cell) for cell in cells_of(path)]
    changes = [p for i, p in enumerate(parts) if i == 0 or p != parts[i - 1]]
    assert re.fullmatch(ORDER, " ".join(changes) + " "), changes
    assert "look" in changes


@by_lesson
def test_front_matter(path):
    (front,) = cells_of(path, part="meta")
    number = int(path.stem[:2])
    assert re.search(rf"\*\*Lesson {number} · \d+ minutes\.\*\* You need ", front.source)
    assert "**Goals.**" in front.source and front.source.count("\n1. ") == 1
    assert re.search(r"\*\*Key question\.\*\* .+\?", front.source)


@by_lesson
def test_explanations_are_short(path):
    for cell in cells_of(path, part="explain"):
        assert cell.source.startswith("**Explain.**")
        assert len(cell.source.split()) <= 150, cell.source


@by_lesson
def test_each_exercise_has_minutes_a_check_and_an_answer_cell(path):
    kinds = []
    for cell in cells_of(path, part="exercise"):
        tags = set(cell.metadata["tags"]) & {"checks", "answer"}
        if cell.cell_type == "markdown" and cell.source.startswith("### "):
            assert re.match(r"### Exercise \d · .+ \(\d+ minutes\)\n", cell.source), cell.source
            tags = {"task"}
        if "checks" in tags:  # folded, its first line is what a learner sees of it
            assert cell.source.startswith("# The check of exercise ")
            assert cell.metadata["jupyter"]["source_hidden"]
        kinds += sorted(tags)
    assert len(kinds) >= 6 and kinds == ["task", "checks", "answer"] * (len(kinds) // 3)


@by_lesson
def test_stored_outputs_hold_no_path_and_no_duration(path):
    for cell in cells_of(path, "code"):
        shown = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
        lines = "\n".join(shown).splitlines()
        text = "\n".join(line for line in lines if "%|" not in line)  # without progress bars
        assert not re.search(r"(^|[\s'\"(])(/\w|~/|[A-Z]:\\)|0x[0-9a-f]{6}", text), text
        assert not re.search(r"\d\s?(ns|µs|ms|s|sec|seconds|minutes)\b", text), text


def test_stored_outputs_of_the_mnist_lesson_are_of_mnist():
    stored = "".join(map(printed, cells_of(NOTEBOOKS / "10_mnist_twice.ipynb", "code")))
    assert "This is MNIST: 60,000 training" in stored
    assert "digits (" not in stored


# ---- content


def test_compared_outputs_do_not_depend_on_the_data(played):
    """Stored with MNIST, played on digits: a cell that is compared strictly must say the same."""
    cells = played[2]
    if not any("mnist_or_digits" in cell.source for cell, _ in cells):
        pytest.skip("uses no data")
    compared = [
        (cell, text)
        for cell, text in cells
        if "nbval-ignore-output" not in cell.metadata["tags"] and text
    ]
    assert len(compared) > 5
    for cell, text in compared:
        assert text == printed(cell), cell.source


def test_who_watches_finds_something(played):
    for cell, text in played[2]:
        if "dg.watch(nan=True)" in cell.source:
            assert "this is the first operation that made one" in text
            assert "this is the first operation that made one" in printed(cell)


def test_untouched_exercises_say_so(played):
    answers = [(cell, text) for cell, text in played[2] if "answer" in cell.metadata["tags"]]
    assert answers
    for cell, text in answers:
        assert cell.source.count("...") == 1
        assert text == printed(cell) == UNTOUCHED, cell.source


def test_every_answer_gets_its_own_reply(played):
    path, namespace, cells = played
    answers = [cell for cell, _ in cells if "answer" in cell.metadata["tags"]]
    assert len(answers) == len(ANSWERS[path.stem])
    for cell, (name, (right, wrong)) in zip(answers, ANSWERS[path.stem].items(), strict=True):
        assert re.search(rf"^(def )?{name}\b", cell.source, re.MULTILINE)
        for answer in (right, *ALSO_RIGHT[name]):
            reply = said(cell.source.replace("...", answer), namespace)
            assert reply.startswith("Right"), (name, answer, reply)
        assert len(wrong) >= 2
        for answer, words in wrong.items():
            reply = said(cell.source.replace("...", answer), namespace)
            assert reply.startswith("Not yet: ") and words in reply, (name, answer, reply)


def test_listings_that_are_said_to_run_do_run(played):
    path, namespace, _ = played
    for cell in cells_of(path, "markdown", "exercise"):
        for listing in re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL):
            if "It runs" not in cell.source:
                continue
            code = textwrap.dedent(re.sub(r"(?m)^ *\d+ ", "", listing))
            assert said(code, dict(namespace)).startswith("accuracy on the test images: 0.")


def test_both_modes_compute_first_at_the_moments_that_lesson_2_names():
    stored = words_of("02_two_modes", "dg.build(formula_in_steps, 4.0, 5.0)")
    moments = re.split(r"\n +(?=\d+  )", stored)[1:]
    first = {
        mode: next(int(m.split()[0]) for m in moments if re.search(rf"{mode} +computes", m))
        for mode in ("eager", "define-then-run")
    }
    (explained,) = (
        cell.source
        for cell in cells_of(NOTEBOOKS / "02_two_modes.ipynb", "markdown", "explain")
        if "In the figure these are the moments" in cell.source
    )
    assert "the moments {eager} and {define-then-run}:".format(**first) in explained


def test_the_first_layer_is_kept_longest_as_lesson_10_says():
    stored = words_of("10_mnist_twice", "dg.memory(")
    spans = re.findall(r"^mlp/(\w+)/matmul;.* from step (\d+) to step (\d+);", stored, re.MULTILINE)
    kept = {layer: int(last) - int(first) for layer, first, last in spans}
    assert sorted(kept, key=kept.get, reverse=True) == ["hidden1", "hidden2", "output"]


def words_of(lesson, start):
    """The words that travel with a stored figure, for those who cannot see it."""
    (data,) = (
        output.data
        for cell in cells_of(NOTEBOOKS / f"{lesson}.ipynb", "code", "look")
        for output in cell.outputs
        if cell.source.splitlines()[-1].startswith(start)
    )
    return re.search(r"<desc>(.*)</desc>", data["image/svg+xml"], re.DOTALL)[1]
