"""Pictures that the tests share, built by hand so that they do not depend on the engine."""

from __future__ import annotations

from dlgraph.draw.model import Edge, Picture, PictureNode


def two_a_plus_three_b(backward: bool = True) -> Picture:
    """y = 2a + 3b at a = 4, b = 5, before or after `backward()`."""

    def node(place, label, kind, value, gradient=None, **more):
        needs = kind != "constant"
        found = gradient if backward else None
        return PictureNode(
            place,
            label,
            kind,
            value=value,
            gradient=found,
            needs_gradient=needs,
            dtype="float32",
            **more,
        )

    where = "cell [1], line 3:  y = 2 * a + 3 * b"
    nodes = (
        node(0, "constant", "constant", "2"),
        node(1, "a", "parameter", "4", "2", name="a"),
        node(2, "multiply", "elementwise", "8", "1", formula="2·a", where=where),
        node(3, "constant", "constant", "3"),
        node(4, "b", "parameter", "5", "3", name="b"),
        node(5, "multiply", "elementwise", "15", "1", formula="3·b", where=where),
        node(6, "add", "elementwise", "23", "1", name="y", formula="2·a + 3·b", where=where),
    )
    edges = (
        Edge(0, 2, 0),
        Edge(1, 2, 1),
        Edge(3, 5, 0),
        Edge(4, 5, 1),
        Edge(2, 6, 0),
        Edge(5, 6, 1),
    )
    return Picture(nodes, edges, outputs=(6,))


class Builder:
    """Collects nodes and edges."""

    def __init__(self):
        self.nodes: list[PictureNode] = []
        self.edges: list[Edge] = []
        self.saved: list[tuple[int, int]] = []

    def add(self, label, kind="elementwise", inputs=(), **more) -> int:
        place = len(self.nodes)
        twin = more.get("twin")
        if more.get("role") == "backward":
            forward = [s for s in inputs if self.nodes[s].role == "forward"]
            self.saved += [(source, twin) for source in forward]
        self.nodes.append(PictureNode(place, label, kind, **more))
        self.edges += [Edge(source, place, slot) for slot, source in enumerate(inputs)]
        return place

    def picture(self, outputs=(), title="") -> Picture:
        saved = tuple(dict.fromkeys(self.saved))
        return Picture(tuple(self.nodes), tuple(self.edges), title, tuple(outputs), saved)


def training_mlp(layers: int = 5) -> Picture:
    """The training graph of the layout study: 57 nodes, one backward node per operation."""
    b = Builder()
    sizes = [784, *([100] * (layers - 1)), 10]
    h = b.add("x", "input", name="x", shape="64 × 28 × 28")
    h = b.add("reshape", "view", [h], shape="64 × 784")
    steps = []  # (operation, data input, parameter or None)
    for layer in range(1, layers + 1):
        inner, outer = sizes[layer - 1], sizes[layer]
        w = b.add(f"W{layer}", "parameter", name=f"W{layer}", shape=f"{inner} × {outer}")
        bias = b.add(f"b{layer}", "parameter", name=f"b{layer}", shape=str(outer))
        shape = f"64 × {outer}"
        product = b.add("matmul", "contract", [h, w], shape=shape)
        total = b.add("add", "elementwise", [product, bias], shape=shape)
        steps += [(product, h, w), (total, product, bias)]
        h = total
        if layer < layers:
            h = b.add("relu", "elementwise", [total], shape=shape)
            steps.append((h, total, None))
    labels = b.add("labels", "input", name="labels", shape="64", dtype="int64")
    logs = b.add("log_softmax", "elementwise", [h], shape="64 × 10")
    entropy = b.add("cross_entropy", "loss", [logs, labels], shape="64")
    loss = b.add("mean", "reduce", [entropy], name="loss")
    steps += [(logs, h, None), (entropy, logs, None), (loss, entropy, None)]
    gradient = None
    for operation, data, parameter in reversed(steps):
        label = f"d_{b.nodes[operation].label}"
        inputs = [gradient] if gradient is not None else []
        saved = [data] if parameter is None else [data, parameter]
        gradient = b.add(label, "elementwise", [*inputs, *saved], role="backward", twin=operation)
        if parameter is not None:
            b.add("sgd", "effect", [parameter, gradient], role="update", twin=parameter)
    return b.picture([loss], "Training a network of five layers")


def diamond() -> Picture:
    """x goes two ways and comes together again."""
    b = Builder()
    x = b.add("x", "input", name="x", value="2", needs_gradient=True)
    left = b.add("exp", inputs=[x], value="7.389", formula="exp(x)", needs_gradient=True)
    right = b.add("square", inputs=[x], value="4", formula="x²", needs_gradient=True)
    y = b.add("add", inputs=[left, right], name="y", value="11.39", needs_gradient=True)
    return b.picture([y])


def shared_parameter(times: int = 5) -> Picture:
    """A recurrent network: one weight, read at every step."""
    b = Builder()
    w = b.add("W", "parameter", name="W", shape="8 × 8", needs_gradient=True)
    h = b.add("h0", "input", name="h0", shape="1 × 8")
    for _ in range(times):
        h = b.add("matmul", "contract", [h, w], shape="1 × 8", needs_gradient=True)
        h = b.add("tanh", inputs=[h], shape="1 × 8", needs_gradient=True)
    loss = b.add("sum", "reduce", [h], name="loss", needs_gradient=True)
    return b.picture([loss])


def chain(length: int = 40, alike: bool = True) -> Picture:
    """One operation after the other; all the same, or each called differently."""
    b = Builder()
    h = b.add("x", "input", name="x", needs_gradient=True)
    for step in range(length - 1):
        label = "tanh" if alike else f"step {step}"
        h = b.add(label, inputs=[h], needs_gradient=True)
    return b.picture([h])


def fan(width: int = 12) -> Picture:
    """One input, many readers that are all added up."""
    b = Builder()
    x = b.add("x", "input", name="x")
    h = b.add("exp", inputs=[x])
    parts = [b.add(f"head {i}", "contract", [h]) for i in range(width)]
    total = b.add("concatenate", "view", parts, name="y")
    return b.picture([total])


def residual(blocks: int = 4) -> Picture:
    """Blocks with a skip connection around two operations each."""
    b = Builder()
    h = b.add("x", "input", name="x", shape="1 × 64", needs_gradient=True)
    for block in range(blocks):
        w = b.add(f"W{block}", "parameter", name=f"W{block}", needs_gradient=True)
        inner = b.add("matmul", "contract", [h, w], needs_gradient=True)
        inner = b.add("relu", inputs=[inner], needs_gradient=True)
        inner = b.add("layer_norm", inputs=[inner], needs_gradient=True)
        h = b.add("add", inputs=[h, inner], needs_gradient=True)
    return b.picture([b.add("sum", "reduce", [h], name="loss", needs_gradient=True)])


def attention() -> Picture:
    """One attention head with its projections."""
    b = Builder()
    x = b.add("x", "input", name="x", shape="10 × 64")
    wq, wk, wv, wo = (
        b.add(n, "parameter", name=n, needs_gradient=True) for n in ("Wq", "Wk", "Wv", "Wo")
    )
    q = b.add("matmul", "contract", [x, wq], name="q", needs_gradient=True)
    k = b.add("matmul", "contract", [x, wk], name="k", needs_gradient=True)
    v = b.add("matmul", "contract", [x, wv], name="v", needs_gradient=True)
    kt = b.add("transpose", "view", [k], needs_gradient=True)
    scores = b.add("matmul", "contract", [q, kt], needs_gradient=True)
    eight = b.add("constant", "constant", value="8")
    scaled = b.add("divide", inputs=[scores, eight], needs_gradient=True)
    p = b.add("softmax", inputs=[scaled], name="p", needs_gradient=True)
    mixed = b.add("matmul", "contract", [p, v], needs_gradient=True)
    out = b.add("matmul", "contract", [mixed, wo], needs_gradient=True)
    y = b.add("add", inputs=[out, x], name="y", needs_gradient=True)
    return b.picture([y])


def lstm(steps: int = 2) -> Picture:
    """A long short-term memory, unrolled: four gates per step, two states."""
    b = Builder()
    gates = [b.add(f"W{name}", "parameter", name=f"W{name}") for name in "ifgo"]
    h, c = b.add("h0", "input", name="h0"), b.add("c0", "input", name="c0")
    for step in range(1, steps + 1):
        x = b.add(f"x{step}", "input", name=f"x{step}")
        joined = b.add("concatenate", "view", [x, h])
        i, f, g, o = (
            b.add("tanh" if name == "g" else "sigmoid", inputs=[b.add("matmul", "contract", pair)])
            for name, pair in zip("ifgo", [[joined, w] for w in gates], strict=True)
        )
        c = b.add(
            "add", inputs=[b.add("multiply", inputs=[f, c]), b.add("multiply", inputs=[i, g])]
        )
        h = b.add("multiply", inputs=[o, b.add("tanh", inputs=[c])], name=f"h{step}")
    return b.picture([h, c])


def dense_block(layers: int = 6) -> Picture:
    """Each layer reads the outputs of all layers before it: as many long lines as there can be."""
    b = Builder()
    outputs = [b.add("x", "input", name="x", needs_gradient=True)]
    for layer in range(layers):
        w = b.add(f"W{layer}", "parameter", name=f"W{layer}", needs_gradient=True)
        joined = b.add("add", inputs=outputs, needs_gradient=True)
        outputs.append(b.add("matmul", "contract", [joined, w], needs_gradient=True))
    return b.picture([b.add("add", inputs=outputs[1:], name="y", needs_gradient=True)])


def rnn_loop() -> Picture:
    """A loop whose last state and outputs both lead on, and its training step."""
    b = Builder()
    x = b.add("x", "input", name="x", shape="7 × 4 × 3")
    w = b.add("w", "parameter", name="w", shape="3 × 5")
    turns = b.add("constant", "constant", value="7")
    whole = b.add("scan", "loop", [turns, x, w], formula="7 turns of 4 operations")
    outputs = b.add("[1]", "part", [whole], name="ys", shape="7 × 4 × 5")
    last = b.add("[0]", "part", [whole], shape="4 × 5")
    one = b.add("sum", "reduce", [last])
    two = b.add("mean", "reduce", [outputs])
    loss = b.add("add", inputs=[one, two], name="loss")
    seed = b.add("constant", "constant", value="1", role="backward", twin=loss)
    slopes = [b.add("expand", inputs=[seed], role="backward", twin=place) for place in (one, two)]
    both = [
        b.add("place", "index", [slope, whole], role="backward", twin=part)
        for slope, part in zip(slopes, (last, outputs), strict=True)
    ]
    total = b.add("add_bundles", inputs=both, role="backward", twin=outputs)
    again = b.add("scan", "loop", [turns, total, x, w], role="backward", twin=whole)
    slope = b.add("[0]", "part", [again], role="backward", twin=whole)
    b.add("sgd", "effect", [w, slope], role="update", twin=w)
    return b.picture([loss], "A loop")


def branches() -> Picture:
    """A branch inside a graph that also calls a function: one value each."""
    b = Builder()
    x = b.add("x", "input", name="x", value="3", gradient="2", needs_gradient=True)
    test = b.add("greater", inputs=[x], value="True")
    chosen = b.add("cond", "branch", [test, x], formula="then 4, otherwise 1", needs_gradient=True)
    y = b.add("", "part", [chosen], name="y", value="6", gradient="1", needs_gradient=True)
    called = b.add("layer", "function", [y], formula="3 operations", needs_gradient=True)
    z = b.add("", "part", [called], value="7", gradient="1", needs_gradient=True)
    return b.picture([z])


def scopes(blocks: int = 4, steps: int = 3) -> Picture:
    """A network of layers in layers: equal blocks, one layer called twice, a shared weight."""
    b = Builder()

    def linear(h, scope, shape):
        w = b.add("w", "parameter", name=f"{scope}.w", scope=scope, needs_gradient=True)
        product = b.add("matmul", "contract", [h, w], scope=scope, needs_gradient=True, shape=shape)
        b.saved += [(h, product), (w, product)]
        return product

    h = b.add("x", "input", name="x", scope="")
    h = linear(h, "net/stem/linear", "8 × 4")
    for block in range(blocks):
        scope = f"net/blocks/{block}"
        inner = linear(h, f"{scope}/one", "8 × 4")
        inner = b.add("relu", inputs=[inner], scope=scope, needs_gradient=True)
        b.saved.append((inner, inner))
        inner = linear(inner, f"{scope}/two", "8 × 4")
        h = b.add("add", inputs=[h, inner], scope=scope, needs_gradient=True)
    h = b.add("square", inputs=[h], scope="net/activation", needs_gradient=True)
    shared = b.add("u", "parameter", name="u", scope="net", needs_gradient=True)
    for _ in range(steps):
        h = b.add("matmul", "contract", [h, shared], scope="net/cell", needs_gradient=True)
        h = b.add("tanh", inputs=[h], scope="net/cell", needs_gradient=True)
    skip = b.add("add", inputs=[h, shared], scope="net/head", needs_gradient=True)
    for step in range(2):
        skip = b.add("exp", inputs=[skip], scope="net/activation", needs_gradient=True)
        skip = b.add("log", inputs=[skip], scope="net/activation", needs_gradient=True)
        skip = b.add(f"stage {step}", inputs=[skip, h], scope="net/head", needs_gradient=True)
    return b.picture([b.add("sum", "reduce", [skip], name="loss", needs_gradient=True)])


EXAMPLES = {
    "two_a_plus_three_b": two_a_plus_three_b,
    "training_mlp": training_mlp,
    "diamond": diamond,
    "shared_parameter": shared_parameter,
    "chain": chain,
    "fan": fan,
    "residual": residual,
    "attention": attention,
    "lstm": lstm,
    "dense_block": dense_block,
    "rnn_loop": rnn_loop,
    "branches": branches,
    "scopes": scopes,
}
