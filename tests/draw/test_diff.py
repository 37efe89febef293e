"""What the passes did, in one picture."""

from dataclasses import replace

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.draw import theme
from dlgraph.draw.boxes import sized
from dlgraph.draw.diff import diff
from dlgraph.draw.lineage import lineage


def optimised(level=2, exact=False):
    dg.seed(0)
    net = dg.nn.Sequential(dg.nn.Linear(6, 5), dg.nn.ReLU(), dg.nn.Linear(5, 3))
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(("batch", 6), name="x")
        y = dg.placeholder(("batch",), "int64", name="y")
        loss = dg.cross_entropy(net(x), y)
        update = dg.optim.SGD(net.parameters(), lr=0.1).minimize(loss)
    feeds = {x: np.zeros((4, 6), "float32"), y: np.zeros(4, "int64")}
    return dg.passes.PassManager(level=level, exact=exact).run(graph, [loss, update], feeds)


def test_every_version_is_found_again_in_the_common_graph():
    found = optimised()
    versions = lineage(found.stages)
    for stage, present in zip(found.stages, versions.present, strict=True):
        names = {versions.graph.records[i].name for i in present}
        assert names == {record.name for record in stage.records}


def test_links_of_the_common_graph_lead_forward():
    versions = lineage(optimised().stages)
    for target, record in enumerate(versions.graph.records):
        assert all(source < target for source in record.inputs)
    assert all(source < target for source, target, _ in versions.links)


def test_what_stays_stays_in_its_place_and_every_stage_has_its_marks():
    found = optimised()
    figure = diff(found)
    assert len(figure.stages) == 1 + len(found.reports)
    boxes = {placed.box.key for placed in figure.layout.boxes}
    for stage in figure.stages:
        assert set(stage.marks.values()) <= {"gone", "new", "changed", "later"}
    assert "gone" not in figure.stages[0].marks.values()
    # What passes add to an update or a gradient is drawn in its box, which has changed.
    assert {"changed", "gone"} <= set(figure.stages[-1].marks.values())
    assert boxes & set(figure.stages[-1].marks)


def test_what_a_pass_adds_is_new_from_that_pass_on():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((4,), name="x")
        y = dg.exp(x * 2.0 * 3.0)
    found = dg.passes.PassManager(exact=False).run(graph, y, [x])
    figure = diff(found)
    assert [stage.title for stage in figure.stages] == ["as written", "algebra", "fold"]
    (added,) = (key for key, mark in figure.stages[-1].marks.items() if mark == "new")
    assert [stage.marks[added] for stage in figure.stages] == ["later", "new", "new"]
    kept = {placed.box.key for placed in figure.layout.boxes} - {added}
    assert "new" not in {figure.stages[-1].marks.get(key) for key in kept}


def test_each_change_names_its_rule_its_reason_and_its_boxes():
    figure = diff(optimised())
    fused = next(stage for stage in figure.stages if stage.title == "update")
    assert fused.changes
    change = fused.changes[0]
    assert "nobody looks at it alone" in change.text
    assert change.reason.startswith("rule ")
    assert change.keys


def test_two_graphs_without_a_manager():
    found = optimised()
    figure = diff(found.source, found.graph)
    assert str(figure) == f"{len(found.source)} nodes before, {len(found.graph)} after"
    assert [stage.title for stage in figure.stages] == ["before", "after"]


def test_the_bundle_is_the_same_every_time():
    one, two = (diff(optimised())._repr_mimebundle_() for _ in range(2))
    assert one == two
    assert sorted(one) == ["image/svg+xml", "text/html", "text/plain"]


def test_the_text_twin_tells_every_pass():
    found = optimised()
    words = diff(found).describe()
    for report in found.reports:
        assert report.name in words


def test_hostile_names_stay_text():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), name="</script><img src=x onerror=alert(1)>")
        y = dg.exp(x) * 1.0
        dg.log(x)
    page = diff(dg.passes.PassManager(level=0).run(graph, y, [x]))._repr_mimebundle_()["text/html"]
    assert "<img src=x" not in page
    assert page.count("</script>") == 1


def test_anything_else_is_an_error():
    with pytest.raises(dg.errors.OperationError, match="two graphs"):
        diff(3)


def test_at_every_stage_a_box_says_what_is_in_it_then():
    found = optimised()
    figure = diff(found)
    common = {placed.box.key: placed.box for placed in figure.layout.boxes}
    alone = {placed.box.label: placed.box for placed in dg.draw(found.source).layout.boxes}
    first, last = figure.stages[0].texts, figure.stages[-1].texts
    updates = {key: box for key, box in common.items() if box.label.startswith("update")}
    assert len(updates) == 4 and first != last
    for key, box in updates.items():
        says = first.get(key, {"detail": box.detail, "badges": [*box.badges]})
        written = alone[box.label]
        assert says == {"detail": written.detail, "badges": [*written.badges]}
    # What a pass makes of two updates reads more than each did: not so at the start.
    assert any(key in first and first[key] != last.get(key) for key in updates)


def test_a_box_is_wide_enough_for_what_it_says_at_any_stage():
    for level, exact in ((2, False), (3, False), (2, True)):
        figure = diff(optimised(level, exact))
        common = {placed.box.key: placed.box for placed in figure.layout.boxes}
        for stage in figure.stages:
            for key, says in stage.texts.items():
                box = common[key]
                said = replace(box, detail=says["detail"], badges=tuple(says["badges"]))
                needed = sized(said)
                fits = needed.width <= box.width and needed.height <= box.height
                assert fits, (stage.title, box.label, says)


def test_the_picture_in_a_file_keeps_the_colours_of_gradients_and_updates_and_says_its_marks():
    svg = diff(optimised()).svg
    for word in ("removed", "added", "computed in another way"):
        assert f">{word}</text>" in svg
    stage = diff(optimised()).stages[-1]
    assert stage.texts and all(says["detail"] in svg for says in stage.texts.values())
    for colour in (theme.FORWARD, theme.GRADIENT, theme.UPDATE):
        assert f'fill="#ffffff" stroke="{colour}" stroke-width="2.5"' in svg


def says(figure, number, label):
    """What the gradients or updates of this label say at one stage."""
    stage = figure.stages[number]
    images = [placed.box for placed in figure.layout.boxes if placed.box.label == label]
    common = [{"detail": box.detail, "badges": [*box.badges]} for box in images]
    return [stage.texts.get(box.key, own) for box, own in zip(images, common, strict=True)]


def test_a_gradient_is_called_by_the_operations_that_compute_it_at_that_stage():
    found = optimised()
    figure = diff(found)
    number = {stage.title: k for k, stage in enumerate(figure.stages)}
    before, after = number["specialise"] - 1, number["specialise"]
    assert any("sum_like" in one["detail"] for one in says(figure, before, "∂add"))
    assert {one["detail"] for one in says(figure, after, "∂add")} == {"sum"}
    last = found.stages[number["ones"]].records
    computed = {r.primitive.name for r in last if r.name.endswith("add/sum_like")}
    assert {one["detail"] for one in says(figure, number["ones"], "∂add")} == computed
    # What has become a constant is computed no more.
    (told,) = says(figure, before, "∂mean_cross_entropy")
    assert told["detail"] == "5 operations"
    (told,) = says(figure, after, "∂mean_cross_entropy")
    assert told["detail"] == "4 operations"


def test_who_reads_what_is_made_of_the_learning_rate_alone_is_told_of_the_learning_rate():
    figure = diff(optimised())
    merged = [stage.title for stage in figure.stages].index("cse")
    updates = [placed.box for placed in figure.layout.boxes if placed.box.style == "update"]
    assert len(updates) == 4
    for box in updates:
        assert figure.stages[merged].texts.get(box.key, {"badges": [*box.badges]})["badges"] == [
            "lr"
        ]
