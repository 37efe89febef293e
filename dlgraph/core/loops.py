"""Loops that work in both modes: `scan` over the rows of a value.

In eager code it is Python's `for`.  In a graph it is one node, with one turn as a `Body` inside.
The gradient of a scan is a scan in the other direction, so loops can be differentiated any number
of times.  Next: `while_loops.py`.
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
    is_floating,
    resolved,
    set_outputs,
    trace,
)
from dlgraph.core.bundle import item, unstack
from dlgraph.core.calls import call
from dlgraph.core.control import apart, as_values, begin, items, leaf_specs, symbolic
from dlgraph.core.node import Node
from dlgraph.core.primitive import FUNCTIONS, NOTHING, primitive
from dlgraph.core.spec import BundleSpec, Dim, Spec, spec_of
from dlgraph.core.tensor import tick
from dlgraph.core.tree import flatten, rebuild, same_form
from dlgraph.errors import GraphError, OperationError, ShapeError

INDEX = Spec((), np.dtype(np.int64))


def _scan_spec(*specs: Any, body: Body, carries: int, sequences: int, reverse: bool) -> BundleSpec:
    outputs = body.output_specs
    long = specs[1 + carries].shape[0] if sequences else Dim()
    stacked = [Spec((long, *spec.shape), spec.dtype) for spec in outputs[carries:]]
    return BundleSpec((*outputs[:carries], *stacked))


@primitive(name="scan", kind="control", infer=_scan_spec, text="scan({values})")
def _scan(
    xp: Any, *values: Any, body: Body, carries: int, sequences: int, reverse: bool = False
) -> Any:
    """A body run once per turn; its first outputs go into the next turn, the others are stacked."""
    turns = int(values[0])
    carry = list(values[1 : 1 + carries])
    rows = values[1 + carries : 1 + carries + sequences]
    rest = values[1 + carries + sequences :]
    found: list[Any] = [None] * turns
    order = range(turns - 1, -1, -1) if reverse else range(turns)
    for t in order:
        out = body.values([np.int64(t), *carry, *(row[t] for row in rows), *rest])
        carry, found[t] = out[:carries], out[carries:]
    if turns:
        stacks = [xp.stack([turn[k] for turn in found]) for k in range(len(found[0]))]
    else:
        # No turn says how large its outputs are: one with rows of zeros does.
        blank = [xp.zeros(row.shape[1:], row.dtype) for row in rows]
        shapes = body.output_shapes([np.int64(0), *carry, *blank, *rest])
        pairs = zip(shapes[carries:], body.output_specs[carries:], strict=True)
        stacks = [xp.zeros((0, *shape), spec.dtype) for shape, spec in pairs]
    return Bundle([*carry, *stacks])


def scan_gradients(
    g: Any,
    y: Any,
    inputs: Sequence[Any],
    attrs: dict[str, Any],
    wanted: tuple[int, ...],
    held: Mapping[int, Any] = NOTHING,
) -> list[Any]:
    """Gradients of a scan."""
    # Backward through time: the carries of every turn are computed again and stacked, then a loop
    # in the other direction carries their gradients, and goes on with those of the captures.
    body: Body = attrs["body"]
    nc, nx, reverse = attrs["carries"], attrs["sequences"], attrs["reverse"]
    turns, start = inputs[0], inputs[1 : 1 + nc]
    rows, rest = inputs[1 + nc : 1 + nc + nx], inputs[1 + nc + nx :]
    floats = [k for k in range(nc) if is_floating(body.output_specs[k])]
    want_rows = [p - 1 - nc for p in wanted if 1 + nc <= p < 1 + nc + nx]
    want_rest = [p - 1 - nc - nx for p in wanted if p >= 1 + nc + nx]
    ys = len(body.outputs) - nc
    history = _scan(
        turns, *start, *rows, *rest,
        body=_with_history(body, nc), carries=nc, sequences=nx, reverse=reverse,
    )  # fmt: skip
    past = [item(history, index=nc + ys + k) for k in range(nc)]
    g_carry = [item(g, index=k) for k in floats]
    g_ys = [item(g, index=k) for k in range(nc, nc + ys) if is_floating(body.output_specs[k])]
    g_rest = [held.get(1 + nc + nx + k) for k in want_rest]
    g_rest = [
        FUNCTIONS["zeros_like"](rest[k]) if known is None else known
        for k, known in zip(want_rest, g_rest, strict=True)
    ]
    result = _scan(
        turns, *g_carry, *g_rest, *rows, *past, *g_ys, *rest,
        body=_back_body(body, nc, nx, floats, want_rows, want_rest),
        carries=len(floats) + len(want_rest), sequences=nx + nc + len(g_ys), reverse=not reverse,
    )  # fmt: skip
    place = {1 + k: i for i, k in enumerate(floats)}
    place |= {1 + nc + nx + k: len(floats) + i for i, k in enumerate(want_rest)}
    place |= {1 + nc + k: len(floats) + len(want_rest) + i for i, k in enumerate(want_rows)}
    found = [item(result, index=place[p]) if p in place else None for p in wanted]
    return [
        held[p] + one if p in held and p < 1 + nc + nx and one is not None else one
        for p, one in zip(wanted, found, strict=True)
    ]


_scan.joint, _scan.goes_on = scan_gradients, True


def _with_history(body: Body, carries: int) -> Body:
    """The same body, which also puts out the carries that it was given."""
    found = body.variants.get("history")
    if found is None:
        found = Body(f"{body.name} with history")
        moved = found.copy_pure(body)
        found.inputs = [moved[i] for i in body.all_inputs]
        kept = [moved[i] for i in body.all_inputs[1 : 1 + carries]]
        found.outputs = [*(moved[i] for i in body.outputs), *kept]
        body.variants["history"] = found
    return found


def _back_body(
    body: Body, nc: int, nx: int, floats: list[int], want_rows: list[int], want_rest: list[int]
) -> Body:
    """One turn of the backward loop."""
    key = ("back", *want_rows, "rest", *want_rest)
    found = body.variants.get(key)
    if found is not None:
        return found
    specs = [body.records[i].spec for i in body.all_inputs]
    carry, row, rest = specs[1 : 1 + nc], specs[1 + nc : 1 + nc + nx], specs[1 + nc + nx :]
    outs = body.output_specs
    g_ys = [spec for spec in outs[nc:] if is_floating(spec)]
    sizes = [1, len(floats), len(want_rest), nx, nc, len(g_ys), len(rest)]
    so_far = tuple(1 + nc + nx + k for k in want_rest)
    positions = (*(1 + k for k in floats), *so_far, *(1 + nc + k for k in want_rows))

    def turn(*values: Any) -> list[Any]:
        parts, at = [], 0
        for size in sizes:
            parts.append(values[at : at + size])
            at += size
        (step, g_carry, g_rest, rows, past, g_ys, others) = parts
        result = call(
            *step, *past, *rows, *others, *g_carry, *g_ys, *g_rest,
            body=body.gradient(positions, so_far),
        )  # fmt: skip
        return [result] if len(positions) == 1 else items(result, len(positions))

    found, outputs = trace(
        turn,
        [
            INDEX,
            *(carry[k] for k in floats),
            *(rest[k] for k in want_rest),
            *row,
            *carry,
            *g_ys,
            *rest,
        ],
        f"{body.name} backward",
    )
    set_outputs(found, outputs, "scan")
    body.variants[key] = found
    return found


def scan(
    function: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    *,
    length: Any = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """A loop over the first axis of `xs`, with a state that is carried along.

    `function(carry, x)` returns the next carry and an output; the result is the last carry and
    the stacked outputs.  `init`, `xs` and the outputs may be nested.  Without `xs`, `length`
    says how many turns, and `function` gets None.

    Values and gradients are the same in both modes, bit for bit: the first state and what a turn
    returns are values of their own, in a graph anyway, in eager code by `identity` where need be.

    >>> import dlgraph as dg
    >>> total, sums = dg.scan(lambda s, x: (s + x, s + x), 0.0, dg.Tensor([1.0, 2.0, 3.0]))
    >>> print(total, sums)
    6.0 [1. 3. 6.]
    """
    check_takes("scan: the function", function, 2, "dg.scan(lambda carry, x: ..., init, xs)")
    carry, carry_form = flatten(init)
    rows, row_form = ([], None) if xs is None else flatten(xs)
    rows = as_values(rows)
    turns = _turns(rows, length)
    symbols = [*carry, *rows, *([turns] if isinstance(turns, Node) else [])]
    if not symbolic(symbols):
        return _eager_scan(function, init, rows, row_form, int(turns), reverse)
    carry = as_values(carry)
    out_forms: list[Any] = []

    def turn(step: Any, *values: Any) -> list[Any]:
        given = rebuild(carry_form, values[: len(carry)])
        row = None if row_form is None else rebuild(row_form, values[len(carry) :])
        result = _pair(function(given, row))
        after, form = flatten(result[0])
        if not same_form(form, carry_form):
            raise GraphError("scan: the carry that is returned has another form than the first")
        outputs, out_form = ([], None) if result[1] is None else flatten(result[1])
        out_forms.append(out_form)
        return [*after, *outputs]

    specs = [INDEX, *leaf_specs(carry)]
    specs += [Spec(spec_of(row).shape[1:], spec_of(row).dtype) for row in rows]
    taken = rebuild(carry_form, range(len(carry)))
    given = () if row_form is None else rebuild(row_form, range(len(carry), len(specs) - 1))
    names = input_names(function, [taken, given])
    body, outputs = trace(turn, specs, "scan", ["step", *names], loop=True)
    set_outputs(body, outputs, "scan")
    n = len(carry)
    checked_sizes("scan", specs[1 : 1 + n], body.output_specs[:n], "the carry")
    captures = close([body])
    values = [turns, *carry, *rows]
    result = _scan(
        *values, *resolved(captures, values), body=body, carries=n, sequences=len(rows),
        reverse=reverse,
    )  # fmt: skip
    found = items(result, len(body.outputs))
    ys = None if out_forms[0] is None else rebuild(out_forms[0], found[n:])
    return rebuild(carry_form, found[:n]), ys


def _pair(result: Any) -> tuple[Any, Any]:
    """What the function of a scan returned, if it is what it has to be."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise OperationError(
            "scan: the function must return a pair, the next carry and an output",
            hint="return carry, None if there is no output",
        )
    return result


def _turns(rows: Sequence[Any], length: Any) -> Any:
    if not rows:
        if length is None:
            raise OperationError("scan needs xs, or length=, the number of turns")
        spec = spec_of(length)
        whole = spec.shape == () and spec.dtype.kind in "iu"
        if not whole or (not isinstance(length, Node) and int(length) < 0):
            raise OperationError(
                f"scan(length={length!r}): a number of turns is a whole number of at least 0"
            )
        return length if hasattr(length, "dtype") else np.int64(length)
    sizes = [spec_of(row).shape[:1] for row in rows]
    if () in sizes:
        raise ShapeError(
            "scan goes over the first axis of xs, and a scalar has none",
            hint="a list is several sequences at once; of numbers make one: dg.Tensor([1.0, 2.0])",
        )
    known = {size[0] for size in sizes if isinstance(size[0], int)}
    if len(known) > 1:
        raise ShapeError(f"scan: the first axes of xs differ: {sorted(known)}")
    if known:
        return np.int64(known.pop())
    return FUNCTIONS["size_along"](rows[0], axis=0)


def _eager_scan(
    function: Callable, carry: Any, rows: list[Any], form: Any, turns: int, reverse: bool
) -> tuple[Any, Any]:
    found: list[Any] = [None] * turns
    carry = begin(carry)
    columns = [unstack(x) for x in rows]
    for t in reversed(range(turns)) if reverse else range(turns):
        row = None if form is None else rebuild(form, [column[t] for column in columns])
        since = tick()
        carry, found[t] = apart(_pair(function(carry, row)), since)
    if not found or found[0] is None:
        return carry, None
    turned = [flatten(one)[0] for one in found]
    stacked = [FUNCTIONS["stack"](as_values(column)) for column in zip(*turned, strict=True)]
    return carry, rebuild(flatten(found[0])[1], stacked)
