"""Which gradient is paired with which forward node, and what becomes a box or a badge."""

from __future__ import annotations

from dlgraph.draw.mirror import find_mirror
from dlgraph.draw.scene import build_scene
from tests.draw.examples import Builder, shared_parameter, training_mlp, two_a_plus_three_b


def mirror_of(builder: Builder):
    picture = builder.picture()
    return find_mirror(picture, picture.wiring)


def sum_of_squares():
    """y = a * a + b, gradient of a and b: the add hands its gradient on, the product computes."""
    b = Builder()
    a = b.add("a", "input", name="a")
    c = b.add("b", "parameter", name="b")
    square = b.add("multiply", inputs=[a, a])
    y = b.add("add", inputs=[square, c], name="y")
    return b, a, c, square, y


def test_recorded_graph_is_mirrored_where_it_asks_for_gradients():
    scene = build_scene(two_a_plus_three_b(backward=False))
    assert [box.label for box in scene.boxes] == ["a", "multiply", "b", "multiply", "y"]
    assert [box.badges for box in scene.boxes] == [(), ("2",), (), ("3",), ()]
    details = {image.detail for image in scene.images}
    assert details == {"not computed yet"}
    assert [image.label for image in scene.images] == [
        "∂y/∂a",
        "∂y/∂(2·a)",
        "∂y/∂b",
        "∂y/∂(3·b)",
        "∂y/∂y",
    ]


def test_gradient_that_is_unknown_is_never_shown_as_a_number():
    for box in build_scene(two_a_plus_three_b(backward=False)).images:
        assert box.muted and not any(digit in box.detail for digit in "0123456789")
    for box in build_scene(two_a_plus_three_b(backward=True)).images:
        assert not box.muted and box.detail in ("1", "2", "3")


def test_backward_nodes_are_merged_per_forward_node():
    scene = build_scene(training_mlp())
    assert len(scene.boxes) == 30
    assert sum(image is not None for image in scene.images) == 27
    updates = [image.label for image in scene.images if image and image.style == "update"]
    assert updates == [f"update {kind}{n}" for n in range(1, 6) for kind in "Wb"]


def test_node_that_passes_its_gradient_on_has_an_image():
    b, a, c, square, y = sum_of_squares()
    seed = b.add("constant", "constant", value="1", role="backward", twin=y)
    one = b.add("multiply", inputs=[seed, a], role="backward", twin=square)
    two = b.add("multiply", inputs=[seed, a], role="backward", twin=square)
    b.add("add", inputs=[one, two], role="backward", twin=square)
    b.add("sgd", "effect", inputs=[c, seed], role="update", twin=c)
    mirror = mirror_of(b)
    assert mirror.flows == {(a, square), (square, y), (c, y)}
    assert mirror.images[a] == []  # its gradient is what nobody reads
    assert mirror.detours == []


def test_gradient_skips_operations_that_only_hand_it_on():
    b = Builder()
    x = b.add("x", "input", name="x")
    h = b.add("exp", inputs=[x])
    k = b.add("add", inputs=[h, x])
    y = b.add("sum", "reduce", [k])
    g = b.add("expand", inputs=[k], role="backward", twin=y)
    gx = b.add("multiply", inputs=[g, h], role="backward", twin=h)
    b.add("add", inputs=[g, gx], role="backward", twin=h)  # the sum of x's two gradients
    mirror = mirror_of(b)
    assert mirror.images[k] == []
    assert mirror.images[x] == [6]
    assert mirror.flows == {(x, h), (h, k), (x, k), (k, y)}
    assert mirror.detours == []


def test_two_operands_with_the_same_two_readers_get_a_sum_each():
    b = Builder()
    p, q = b.add("p", "input"), b.add("q", "input")
    product = b.add("multiply", inputs=[p, q])
    ratio = b.add("divide", inputs=[p, q])
    y = b.add("subtract", inputs=[product, ratio])
    seed = b.add("negative", role="backward", twin=y)
    of_ratio = [b.add("divide", inputs=[seed], role="backward", twin=ratio) for _ in range(2)]
    for held in of_ratio:
        mine = b.add("multiply", inputs=[seed], role="backward", twin=product)
        b.add("add", inputs=[held, mine], role="backward", twin=product)
    mirror = mirror_of(b)
    assert {p, q} <= set(mirror.images)
    assert mirror.flows == {(o, r) for o in (p, q) for r in (product, ratio)} | {
        (product, y),
        (ratio, y),
    }


def test_ambiguous_gradient_is_not_given_to_a_node():
    b = Builder()
    p, q = b.add("p", "input"), b.add("q", "input")
    y = b.add("multiply", inputs=[p, q])
    seed = b.add("constant", "constant", value="1", role="backward", twin=y)
    b.add("multiply", inputs=[seed, p], role="backward", twin=y)  # of q, but nothing says so
    assert set(mirror_of(b).images) == {y}


def test_asked_for_gradient_settles_it():
    b = Builder()
    p, q = b.add("p", "input"), b.add("q", "input", needs_gradient=True)
    y = b.add("multiply", inputs=[p, q])
    b.add("multiply", inputs=[p], role="backward", twin=y)
    mirror = mirror_of(b)
    assert set(mirror.images) == {q, y}
    assert mirror.flows == {(q, y)}


def test_node_without_twin_belongs_to_what_it_feeds():
    b = Builder()
    x = b.add("x", "input")
    y = b.add("exp", inputs=[x])
    seed = b.add("ones", role="backward")
    b.add("multiply", inputs=[seed, y], role="backward", twin=y)
    assert mirror_of(b).images[y] == [2, 3]


def test_second_derivatives_are_drawn_in_one_piece():
    b = Builder()
    x = b.add("x", "input")
    y = b.add("exp", inputs=[x])
    first = b.add("multiply", inputs=[y], role="backward", twin=y)
    b.add("multiply", inputs=[first], role="backward", twin=first)
    assert mirror_of(b) is None
    scene = build_scene(b.picture())
    assert not scene.mirrored
    assert [box.style for box in scene.boxes] == ["input", "operation", "backward", "backward"]


def test_gradient_used_in_the_forward_graph_is_drawn_in_one_piece():
    b = Builder()
    x = b.add("x", "input")
    y = b.add("exp", inputs=[x])
    g = b.add("multiply", inputs=[y], role="backward", twin=y)
    b.add("add", inputs=[y, g])  # a gradient penalty
    assert mirror_of(b) is None


def test_shared_parameter_is_a_badge_on_its_readers():
    scene = build_scene(shared_parameter(5))
    assert scene.boxes[0].label == "W" and scene.boxes[0].detail == "8 × 8, 5 readers"
    assert [box.badges for box in scene.boxes if box.label == "matmul"] == [("W",)] * 5
    assert all(link.source != 0 for link in scene.links)
    assert scene.badges == "also read"
    # Three readers are still drawn as lines.
    assert all(not box.badges for box in build_scene(shared_parameter(3)).boxes)


def test_badges_beyond_three_are_counted():
    b = Builder()
    numbers = [b.add("constant", "constant", value=str(n)) for n in range(6)]
    b.add("concatenate", "view", numbers)
    (box,) = build_scene(b.picture()).boxes
    assert box.badges == ("0", "1", "+4")
    assert all(f"uses {n}" in box.title for n in range(6))


def test_constant_that_is_the_result_is_a_box():
    b = Builder()
    c = b.add("constant", "constant", value="2")
    b.add("exp", inputs=[c])
    assert [box.label for box in build_scene(b.picture([c])).boxes] == ["constant", "exp"]
