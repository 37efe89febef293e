"""Nested lists, tuples and dictionaries, as one flat list and back.

What a session fetches, what a loop carries and what a traced function returns may be nested as the
user likes.  (Nesting is as deep as somebody wrote it down, so plain recursion is fine here.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LEAF = object()


def flatten(value: Any) -> tuple[list[Any], Any]:
    """The leaves in order, and the form to put them back with `rebuild`.

    >>> from dlgraph.core.tree import flatten, rebuild
    >>> leaves, form = flatten({"a": 1, "b": [2, (3,)]})
    >>> leaves
    [1, 2, 3]
    >>> rebuild(form, [10, 20, 30])
    {'a': 10, 'b': [20, (30,)]}
    """
    leaves: list[Any] = []
    return leaves, _form(value, leaves)


def _form(value: Any, leaves: list[Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _form(one, leaves) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return _like(value, [_form(one, leaves) for one in value])
    leaves.append(value)
    return LEAF


def _like(value: Any, parts: list[Any]) -> Any:
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)


def rebuild(form: Any, leaves: Any) -> Any:
    """The leaves in a form that `flatten` returned."""
    return _rebuild(form, iter(leaves))


def _rebuild(form: Any, leaves: Iterator[Any]) -> Any:
    if form is LEAF:
        return next(leaves)
    if isinstance(form, dict):
        return {key: _rebuild(one, leaves) for key, one in form.items()}
    return _like(form, [_rebuild(one, leaves) for one in form])


def same_form(a: Any, b: Any) -> bool:
    """Are two forms nested alike?"""
    if a is LEAF or b is LEAF:
        return a is b
    if isinstance(a, dict):
        return (
            isinstance(b, dict)
            and list(a) == list(b)
            and all(same_form(a[key], b[key]) for key in a)
        )
    return (
        isinstance(b, (list, tuple))
        and len(a) == len(b)
        and all(same_form(x, y) for x, y in zip(a, b, strict=True))
    )
