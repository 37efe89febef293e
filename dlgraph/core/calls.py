"""Bodies applied to values: what `@dg.function`, `checkpoint` and gradients of loops come down to.

`call` runs a body on any carrier; its gradient is a call of another body that computes the forward
part again.  So a call can be differentiated any number of times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlgraph.core.body import Body, around, key_of, resolved
from dlgraph.core.bundle import item
from dlgraph.core.node import Node, Record
from dlgraph.core.primitive import NOTHING, primitive
from dlgraph.core.spec import BundleSpec
from dlgraph.core.tensor import Tensor


def _call_spec(*values: Any, body: Body) -> Any:
    specs = body.output_specs
    return specs[0] if len(specs) == 1 else BundleSpec(specs)


@primitive(kind="control", infer=_call_spec, text="call({values})")
def call(xp: Any, *values: Any, body: Body) -> Any:
    """Run a body on its inputs and captures."""
    return body.run(values)


def _call_gradients(
    g: Any,
    y: Any,
    inputs: Sequence[Any],
    attrs: dict[str, Any],
    wanted: tuple[int, ...],
    held: Mapping[int, Any] = NOTHING,
) -> list[Any]:
    body: Body = attrs["body"]
    gradient = body.gradient(wanted, tuple(held))
    result = call(*inputs, *gradient_inputs(body, g), *held.values(), body=gradient)
    return [result] if len(wanted) == 1 else [item(result, index=k) for k in range(len(wanted))]


def gradient_inputs(body: Body, g: Any, bundled: bool = False) -> list[Any]:
    """The gradients of the floating outputs, out of the gradient of the whole result."""
    if len(body.outputs) == 1 and not bundled:
        return [g]
    floating = [k for k, spec in enumerate(body.output_specs) if spec.dtype.kind in "fcO"]
    return [item(g, index=k) for k in floating]


call.joint, call.goes_on = _call_gradients, True


def invoke(body: Body, values: Sequence[Any]) -> list[Any]:
    """Apply a traced body to values of any carrier; one result per output.

    As if its operations were applied one by one: a value that comes in twice is one value, and so
    is one that comes out twice, or as it came in.
    """
    values = [*values, *resolved(body.captures, values)]
    once, places = distinct(values)
    if len(once) < len(values):
        body, values = _merged(body, tuple(places)), once
    result = call(*values, body=body)
    given = dict(zip(body.all_inputs, values, strict=True))
    known: dict[int, Any] = {}
    for k, i in enumerate(body.outputs):
        if isinstance(given.get(i), (Tensor, Node)):
            known[i] = given[i]
        elif i not in known:
            known[i] = result if len(body.outputs) == 1 else item(result, index=k)
    return [known[i] for i in body.outputs]


def distinct(values: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """The values without those that come twice, and where each is among them."""
    body = around()
    if body is None and len(set(map(id, values))) == len(values):
        return list(values), list(range(len(values)))
    known = [value if body is None else body.known(value) for value in values]
    place: dict[Any, int] = {}
    places = [place.setdefault(key_of(value), len(place)) for value in known]
    return list(dict(zip(places, known, strict=True)).values()), places


def _merged(body: Body, places: tuple[int, ...]) -> Body:
    """The same body with inputs that are one: these are the places of the old among the new."""
    found = body.variants.get(places)
    if found is None:
        found = body.variants[places] = Body(body.name)
        same: dict[int, list[int]] = {}
        for place, i in zip(places, body.all_inputs, strict=True):
            same.setdefault(place, []).append(i)
        first = {i: min(group) for group in same.values() for i in group}

        def change(record: Record, moved: dict[int, int]) -> Record | int:
            index = first.get(len(moved), -1)  # of the input that stands for this one
            return moved[index] if index in moved else _with_one(record, first)

        moved = found.copy_records(body, change)
        found.inputs = [moved[group[0]] for group in same.values()]
        found.outputs = [moved[i] for i in body.outputs]
        found.effects = [moved[i] for i in body.effects]
    return found


def _with_one(record: Record, first: dict[int, int]) -> Record:
    """A loop, branch or call whose bodies take from outside what is one value now: as one."""
    bodies = {name: one for name, one in record.attrs.items() if isinstance(one, Body)}
    if not bodies:
        return record
    always = record.primitive.name in ("cond", "call")  # those of loops change with the turn
    taken = min(len(one.all_inputs if always else one.captured) for one in bodies.values())
    own = len(record.inputs) - taken
    place: dict[int, int] = {}
    places = [place.setdefault(first.get(i, i), len(place)) for i in record.inputs[own:]]
    if len(place) == taken:
        return record
    attrs = dict(record.attrs)
    for name, one in bodies.items():
        start = len(one.all_inputs) - taken
        attrs[name] = _merged(one, (*range(start), *(start + k for k in places)))
    return record._replace(inputs=(*record.inputs[:own], *place), attrs=attrs)
