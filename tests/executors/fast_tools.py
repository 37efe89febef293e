"""Running operations with the compiled executor, beside their own forwards."""

import numpy as np

import dlgraph as dg
from dlgraph.executors.fast.executor import FastProgram


def program_of(function, arrays, exact=False):
    """A function of arrays as a graph; its program for the compiled executor, and the feeds."""
    with dg.Graph().as_default() as graph:
        nodes = [dg.placeholder(a.shape, a.dtype) for a in arrays]
        found = function(*nodes)
    fetches = found if isinstance(found, (list, tuple)) else [found]
    session = dg.Session(graph, executor="fast", exact=exact)
    program = session.program(list(fetches), nodes)
    assert isinstance(program, FastProgram)
    return session, program, list(fetches), nodes


def both(function, *arrays, exact=False):
    """The values that the compiled executor and the interpreter give."""
    session, _, fetches, nodes = program_of(function, arrays, exact)
    feed = dict(zip(nodes, arrays, strict=True))
    found = session.run(fetches, feed)
    with np.errstate(all="ignore"):
        wanted = dg.Session(session.graph, executor="interpreter").run(fetches, feed)
    return found, wanted


def left_to_numpy(function, *arrays, exact=False):
    """The primitives that were not compiled."""
    session, program, fetches, nodes = program_of(function, arrays, exact)
    session.run(fetches, dict(zip(nodes, arrays, strict=True)))
    runner = next(iter(program._runners.values()))
    steps = runner.plan.instructions
    return [steps[s.number].primitive.name for s in runner.segments if not s.pieces]
