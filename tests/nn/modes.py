"""Train a model eagerly and as a graph from one seed; both must end with the same bits."""

import numpy as np

import dlgraph as dg


def train_both(build, x, y, loss, *, steps=4, lr=0.05, unknown=True):
    """The two models after training, and the session of the second one's graph."""
    eager = build(dg.Stream(3))
    optimizer = dg.optim.SGD(eager.parameters(), lr=lr)
    for _ in range(steps):
        value = loss(eager, dg.Tensor(x), dg.Tensor(y))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    graph = dg.Graph()
    with graph.as_default():
        model = build(dg.Stream(3))
        shapes = [((None, *a.shape[1:]) if unknown else a.shape, a.dtype) for a in (x, y)]
        nodes = [dg.placeholder(*s, name=n) for s, n in zip(shapes, "xy", strict=True)]
        value_node = loss(model, *nodes)
        train = dg.optim.SGD(model.parameters(), lr=lr).minimize(value_node)
    session = dg.Session(graph)
    session.run(graph.startup)
    for _ in range(steps):
        found, _ = session.run([value_node, train], dict(zip(nodes, (x, y), strict=True)))
    assert np.array_equal(found, value.numpy())
    return eager, model, session, nodes, value_node


def assert_same_bits(one, other):
    """All parameters and buffers of two models are equal, bit for bit, and float32."""
    first, second = one.state_dict(), other.state_dict()
    assert list(first) == list(second)
    for name, value in first.items():
        assert value.dtype == np.float32, name
        assert np.array_equal(value, second[name]), name
