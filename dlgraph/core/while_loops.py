"""Loops that work in both modes: `while_loop`, as long as a condition holds.

In eager code it is Python's `while`.  In a graph it is one node, with the condition and one turn as
`Body`s inside.  Once its turns are counted it is a scan, and so is its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dlgraph.core.arrays import Bundle
from dlgraph.core.body import (
    Body,
    check_takes,
    checked_sizes,
    close,
    input_names,
    resolved,
    set_outputs,
    trace,
)
from dlgraph.core.control import (
    apart,
    as_values,
    begin,
    check_predicate,
    items,
    leaf_specs,
    symbolic,
    truth,
)
from dlgraph.core.loops import INDEX, scan_gradients
from dlgraph.core.primitive import NOTHING, primitive
from dlgraph.core.spec import BundleSpec
from dlgraph.core.tensor import tick
from dlgraph.core.tree import flatten, rebuild, same_form
from dlgraph.errors import GraphError, OperationError


@primitive(
    name="while_loop",
    kind="control",
    infer=lambda *specs, condition, body: BundleSpec(body.output_specs),
    text="while_loop({values})",
)
def _while(xp: Any, *values: Any, condition: Body, body: Body) -> Any:
    """A body run as long as a condition holds."""
    return Bundle(_run_while(values, condition, body)[0])


@primitive(
    kind="control",
    infer=lambda *specs, condition, body: INDEX,
    text="turns({values})",
)
def while_turns(xp: Any, *values: Any, condition: Body, body: Body) -> Any:
    """How many turns a while loop makes."""
    return np.int64(_run_while(values, condition, body)[1])


def _run_while(values: Sequence[Any], condition: Body, body: Body) -> tuple[list[Any], int]:
    n = len(body.outputs)
    state, rest, turns = list(values[:n]), values[n:], 0
    while bool(condition.values([np.int64(turns), *state, *rest])[0]):
        state = body.values([np.int64(turns), *state, *rest])
        turns += 1
    return state, turns


def _while_gradients(
    g: Any,
    y: Any,
    inputs: Sequence[Any],
    attrs: dict[str, Any],
    wanted: tuple[int, ...],
    held: Mapping[int, Any] = NOTHING,
) -> list[Any]:
    # Once the number of turns is known, a while loop is a scan.
    turns = while_turns(*inputs, **attrs)
    body: Body = attrs["body"]
    as_scan = {"body": body, "carries": len(body.outputs), "sequences": 0, "reverse": False}
    so_far = {k + 1: known for k, known in held.items()}
    return scan_gradients(g, y, [turns, *inputs], as_scan, tuple(k + 1 for k in wanted), so_far)


_while.joint, _while.goes_on = _while_gradients, True


def while_loop(condition: Callable[..., Any], body: Callable[..., Any], state: Any) -> Any:
    """Run `state = body(*state)` as long as `condition(*state)` holds; the last state.

    `state` is a tuple (or list) of values, which keep their shapes and dtypes.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((), name="x")
    ...     y, = dg.while_loop(lambda y: y < 100.0, lambda y: (y * x,), (x,))
    ...     slope = dg.gradients(y, x)
    >>> dg.Session(g).run([y, slope], {x: 3.0})  # 3 ** 5 and 5 * 3 ** 4
    [np.float32(243.0), np.float32(405.0)]
    """
    if not isinstance(state, (tuple, list)):
        raise OperationError(
            f"while_loop: the state is a tuple of values, not a {type(state).__name__}",
            hint="one value is a tuple too: (x,)",
        )
    hint = "both get the values of the state one by one: while_loop(lambda i, x: ..., ..., (i, x))"
    check_takes("while_loop: the condition", condition, len(state), hint)
    check_takes("while_loop: the body", body, len(state), hint)
    if not symbolic(flatten(state)[0]):
        state = begin(state)
        while truth(condition(*state), "while_loop"):
            since = tick()
            state = apart(_as_state(body(*state), state), since)
        return state
    leaves, form = flatten(state)
    specs = [INDEX, *leaf_specs(leaves)]

    def test(step: Any, *values: Any) -> list[Any]:
        return [condition(*rebuild(form, values))]

    def turn(step: Any, *values: Any) -> list[Any]:
        after, after_form = flatten(_as_state(body(*rebuild(form, values)), state))
        if not same_form(after_form, form):
            raise GraphError("while_loop: the state that is returned has another form")
        return after

    places = rebuild(form, range(len(leaves)))
    names = ["step", *input_names(condition, places)]
    tests, verdict = trace(test, specs, "condition", names, loop=True)
    set_outputs(tests, verdict, "while_loop: the condition")
    check_predicate(tests.output_specs[0], "while_loop")
    names = ["step", *input_names(body, places)]
    turns, outputs = trace(turn, specs, "turn", names, loop=True)
    set_outputs(turns, outputs, "while_loop: the body")
    checked_sizes("while_loop", specs[1:], turns.output_specs, "the state")
    captures = close([tests, turns])
    values = as_values(leaves)
    result = _while(*values, *resolved(captures, values), condition=tests, body=turns)
    return rebuild(form, items(result, len(leaves)))


def _as_state(result: Any, state: Any) -> Any:
    if not isinstance(result, (tuple, list)):
        result = (result,)
    if len(result) != len(state):
        raise GraphError(
            f"while_loop: the state has {len(state)} values, the body returned {len(result)}"
        )
    return type(state)(result) if type(state) in (tuple, list) else tuple(result)
