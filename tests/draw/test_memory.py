"""The memory of a program, drawn: every stretch with its reason."""

import numpy as np
import pytest

import dlgraph as dg


def program():
    dg.seed(0)
    net = dg.nn.Sequential(dg.nn.Linear(64, 32), dg.nn.ReLU(), dg.nn.Linear(32, 10))
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(("batch", 64), name="x")
        y = dg.placeholder(("batch",), "int64", name="y")
        loss = dg.cross_entropy(net(x), y)
        update = dg.optim.SGD(net.parameters(), lr=0.1).minimize(loss)
    session = dg.Session(graph)
    session.run(graph.startup)
    feed = {x: np.zeros((16, 64), "float32"), y: np.zeros(16, "int64")}
    return session.program([loss, update], feed)


def test_the_planned_curve_stays_below_the_peak_and_the_other_one_ends_far_above():
    found = program()
    curves = {curve.style: curve.values for curve in dg.memory(found).chart.curves}
    assert 0 < max(curves["planned"]) <= found.plan.peak  # there may be gaps between values
    assert curves["naive"][-1] > 2 * found.plan.peak


def chain():
    with dg.Graph().as_default() as graph:
        x = y = dg.placeholder((1000,), name="x")
        for _ in range(8):
            y = dg.relu(dg.sin(y))
        gradient = dg.gradients(dg.sum(y), x)
    return dg.Session(graph).program(gradient, [x])


def test_three_peaks_naive_planned_recomputed():
    found = chain()
    figure = dg.memory(found, budget=20_000)
    less = found.plan_within(20_000)
    curves = {curve.style: curve for curve in figure.chart.curves}
    assert less.peak < found.plan.peak < found.plan.naive_peak
    assert max(curves["again"].values) <= less.peak < max(curves["planned"].values)
    assert len(curves["again"].values) == len(less.instructions) > figure.chart.extent
    kib = {
        name: f"{size / 1024:.1f} KiB"
        for name, size in (
            ("planned", found.plan.peak),
            ("naive", found.plan.naive_peak),
            ("again", less.peak),
        )
    }
    for style, curve in curves.items():
        assert curve.name.endswith(kib[style]) and kib[style] in str(figure)
        assert f'curve {style}"' in figure.svg


def test_where_recomputation_saves_nothing_the_words_say_so():
    figure = dg.memory(program())
    assert str(figure).endswith("recomputation saves nothing")
    assert [curve.style for curve in figure.chart.curves] == ["naive", "planned"]


@pytest.mark.parametrize("budget", [1.5, "1 MB", True])
def test_a_budget_is_a_number_of_bytes(budget):
    with pytest.raises(dg.errors.OperationError, match="whole number of bytes"):
        dg.memory(chain(), budget=budget)


def test_a_value_that_the_backward_pass_reads_says_for_which_operation():
    lines = [" ".join(bar.lines) for bar in dg.memory(program()).chart.bars]
    assert any("saved for the gradient of" in line for line in lines)


def test_a_fetched_value_stays_until_the_end():
    figure = dg.memory(program())
    kept = [bar for bar in figure.chart.bars if "handed out" in " ".join(bar.lines)]
    assert kept
    assert all(bar.end == figure.chart.extent for bar in kept)


def test_bars_lie_where_the_plan_says():
    found = program()
    blocks = {(block.first, block.offset) for block in found.plan.blocks}
    for bar in dg.memory(found).chart.bars:
        offset, first = bar.key[1:].split("-")
        assert (int(first), int(offset)) in blocks


def test_the_bundle_is_the_same_every_time():
    one, two = (dg.memory(program())._repr_mimebundle_() for _ in range(2))
    assert one == two


@pytest.mark.parametrize("wrong", [3, None])
def test_what_has_no_plan_is_an_error(wrong):
    with pytest.raises(dg.errors.OperationError, match="memory plan"):
        dg.memory(wrong)


def test_a_student_understands_it_from_the_picture_alone():
    figure = dg.memory(program())
    assert "arena" not in figure.svg + figure.describe()
    notes = " ".join(figure.chart.notes).lower()
    for shown in ("without reuse", "planned", "a row", "/matmul + 3”: 3 more values", "scratch"):
        assert shown in notes, shown
    assert all(note.split()[-1] in figure.svg for note in figure.chart.notes)
    assert "bytes in use" in figure.svg


def test_only_what_is_there_is_explained():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((1000,), name="x")
        y = dg.matmul(x, x)
    notes = " ".join(dg.memory(dg.Session(graph).program(y, [x])).chart.notes).lower()
    for absent in ("scratch", " + ", "recomputed", "not shown"):
        assert absent not in notes, absent
    assert "recomputed" in " ".join(dg.memory(chain(), budget=20_000).chart.notes).lower()


def test_a_row_says_which_bytes_it_is():
    found = program()
    size = max(block.offset + block.size for block in found.plan.blocks)
    blocks = {f"m{block.offset}-{block.first}": block for block in found.plan.blocks}
    for bar in dg.memory(found).chart.bars:
        block = blocks[bar.key]
        last = block.offset + block.size - 1
        place = f"bytes {block.offset:,} to {last:,} of the program's {size:,}"
        assert any(line.endswith(place) for line in bar.lines), bar.lines


def test_scratch_memory_is_not_taken_for_the_value_itself():
    bars = dg.memory(program()).chart.bars
    scratch = [bar for bar in bars if bar.lines[0].startswith("scratch")]
    assert len(scratch) > 5
    assert all(bar.label.endswith("(scratch)") for bar in scratch)
    assert not any("(scratch)" in bar.label for bar in bars if bar not in scratch)
