"""What may be fed: nodes that are there, values of the right dtype and shape, sizes that agree.

Nothing is converted silently; bare numbers and lists take the dtype of the placeholder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.graph import Graph
from dlgraph.core.node import Node, Record
from dlgraph.core.promotion import weak_kind
from dlgraph.core.spec import Dim, Spec, fits, show_shape
from dlgraph.core.state import show_placeholder
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.core.values import plain_array
from dlgraph.errors import FeedError, FetchError


def check_feed(graph: Graph, feed: Mapping[Any, Any]) -> dict[int, Any]:
    """The fed values by the index of their node, in that order, as arrays of the right dtype.

    Raises `FeedError` for unknown nodes, what is fed twice, other dtypes or shapes.
    """
    checked = _by_index(graph, feed, _fed)
    _check_same_dims(graph, checked)
    return checked


def check_steps(graph: Graph, feed: Mapping[Any, Any]) -> tuple[dict[int, Any], int]:
    """The values for several steps, which their first axis counts, and the number of steps.

    Raises `FeedError` for what `check_feed` refuses in a step, and for different numbers of steps.
    """
    stacked = _by_index(graph, feed, _fed_in_steps)
    counts = {len(v) if np.ndim(v) else 0 for v in stacked.values()}
    if len(counts) != 1 or counts == {0}:
        given = ", ".join(f"{np.shape(v)}" for v in stacked.values()) or "nothing"
        raise FeedError(
            f"run_steps was fed with {given}: the first axis of every value counts the steps, so "
            "it must be there, and the same for all",
            hint="for 10 batches of 16 images feed an array of shape (10, 16, ...)",
        )
    first = {index: value[0] for index, value in stacked.items()}
    for index, value in first.items():
        _check_shape(graph.records[index], value.shape, array=True)
    _check_same_dims(graph, first)
    return stacked, counts.pop()


def _by_index(
    graph: Graph, feed: Mapping[Any, Any], take: Callable[[Record, Any], Any]
) -> dict[int, Any]:
    """What is taken of the fed values, by the index of their node and in that order."""
    if not isinstance(feed, Mapping):
        raise FeedError(
            f"feed is a dictionary from placeholders to values, not {type(feed).__name__}",
            hint="session.run(y, {x: value})",
        )
    taken: dict[int, Any] = {}
    for key, value in feed.items():
        try:
            index = graph.index_of(key)
        except FetchError as error:
            raise FeedError(f"feed: {error.what}", hint=error.hint) from None
        record = graph.records[index]
        if index in taken:
            raise FeedError(f"{record.name!r} is fed twice")
        if isinstance(value, Node):
            raise FeedError(
                f"{record.name!r} is fed with the node {value.name!r}, which has no value",
                hint="feed numbers or arrays; to connect nodes, use them in the formula",
            )
        taken[index] = take(record, value_of(value) if isinstance(value, Tensor) else value)
    return dict(sorted(taken.items()))


def _fed(record: Record, value: Any) -> Any:
    weak = weak_kind(value) is not None or not arrays.is_array(value)
    found = compact(_typed(plain_array(value), record, weak))
    _check_shape(record, found.shape, arrays.is_array(value))
    return found


def _fed_in_steps(record: Record, value: Any) -> Any:
    # What is fed to a scalar in each step is a bare number.
    numbers = isinstance(value, np.ndarray) and not record.spec.shape
    return _typed(plain_array(value), record, numbers or not arrays.is_array(value))


def _check_shape(record: Record, shape: tuple[int, ...], array: bool) -> None:
    if not fits(shape, record.spec.shape):
        raise FeedError(
            f"{_placeholder(record)} was fed with shape {show_shape(shape)}",
            extra={"made at": str(record.where)} if record.where else None,
            hint=_shape_hint(shape, record.spec, array),
        )


def _placeholder(record: Record) -> str:
    return show_placeholder(record.name, record.spec)


def _check_same_dims(graph: Graph, fed: dict[int, Any]) -> None:
    known: dict[Dim, tuple[int, int]] = {}
    for index, value in fed.items():
        for axis, dim in enumerate(graph.records[index].spec.shape):
            if isinstance(dim, Dim):
                first, place = known.setdefault(dim, (index, axis))
                if fed[first].shape[place] != value.shape[axis]:
                    raise _differ(graph, dim, fed, (first, place), (index, axis))


def _differ(graph: Graph, dim: Dim, fed: dict[int, Any], *places: tuple[int, int]) -> FeedError:
    names = [graph.records[index].name for index, _ in places]
    given = {
        f"{name!r} with shape {show_shape(fed[index].shape)}": None
        for name, (index, _) in zip(names, places, strict=True)
    }
    axes = " and ".join(
        f"axis {axis} of {name!r}" for name, (_, axis) in zip(names, places, strict=True)
    )
    called = f", the size {dim}," if dim.root.name else ""
    dims = [graph.records[index].spec.shape[axis] for index, axis in places]
    met = next((dim.met for dim in reversed(dims) if dim.met is not None), None)
    samples = len(set(names)) > 1 and all(axis == 0 for _, axis in places)
    return FeedError(
        f"fed {' and '.join(given)}, but {axes}{called} must be the same size",
        extra={"equal at": str(met)} if met else None,
        hint="feed the same number of samples to both"
        if samples
        else "the graph says that they are equal: they share a name, or met in an operation",
    )


def _typed(value: Any, record: Record, weak: bool) -> Any:
    """The fed value as an array of the placeholder's dtype; only weak ones, bare numbers, adapt."""
    spec, what = record.spec, _placeholder(record)
    try:
        array = np.asarray(value) if weak else value
        if weak and arrays.adapts(array.dtype, spec.dtype):
            # NumPy refuses Python's numbers that do not fit; its own it would wrap round.
            plain = array.dtype.kind in "iu" and spec.dtype.kind in "iu"
            array = np.asarray(array.tolist() if plain else value, spec.dtype)
    except (ValueError, OverflowError) as error:
        raise FeedError(
            f"{what} was fed with a {type(value).__name__} that is no array of {spec.dtype}: "
            f"{arrays.reason(error)}",
            hint="feed a number, an array, or a nested list whose rows have equal lengths",
        ) from None
    if array.dtype == spec.dtype:
        return array
    if array.dtype.kind not in "biufc":
        raise FeedError(
            f"{what} was fed with {arrays.elements(array.dtype)}",
            hint="feed a number or an array of numbers",
        )
    made = f'value.astype("{spec.dtype}")' if arrays.is_array(value) else _converted(spec)
    raise FeedError(
        f"{what} was fed with {array.dtype}", hint=f"nothing is converted silently: feed {made}"
    )


def compact(array: Any) -> Any:
    """Without gaps between the elements, which is how a Tensor copies an array.

    The same numbers in another layout are added, and even exponentiated, with other roundings.
    """
    flags = array.flags
    # (A single element counts as contiguous whatever its strides.)
    if array.size > 1 and (flags.c_contiguous or flags.f_contiguous):
        return array
    return array.astype(array.dtype)


def _converted(spec: Spec) -> str:
    # For hints that can be typed as they stand: a list has no `astype` and no `reshape`.
    return f'np.asarray(value, "{spec.dtype}")'


def _shape_hint(shape: tuple[int, ...], spec: Spec, array: bool) -> str:
    wanted = spec.shape
    if fits((1, *shape), wanted):
        one = "value[None]" if array else "[value]"
        return f"a batch of one sample has a first axis of size 1: {one}"
    known = [w for w in wanted if not isinstance(w, Dim)]
    if np.prod(shape, dtype=int) and known and len(known) < len(wanted):
        total, inner = int(np.prod(shape)), int(np.prod(known))
        if inner and total % inner == 0 and len(known) == len(wanted) - 1:
            sizes = ", ".join("-1" if isinstance(w, Dim) else str(w) for w in wanted)
            called = "value" if array else _converted(spec)
            return f"the elements would fit: {called}.reshape({sizes})"
    if not wanted:
        return "() is one number, without axes"
    if len(known) == len(wanted):
        return "none of its sizes is open: feed exactly this shape"
    return "? stands for any size, the other sizes must be equal"
