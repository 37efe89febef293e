"""JSON from files that nobody vouches for: strict, of limited size, with checked fields."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from dlgraph.errors import DataError

MAX_JSON = 64 * 2**20  # bytes; a graph of 100,000 nodes takes about 20 MiB
MAX_DEPTH = 64
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def read_json(content: bytes, what: str) -> Any:
    """Parse JSON; `what` names it in errors.

    Repeated keys, NaN and Infinity, numbers of thousands of digits, nesting beyond 64 levels and
    more than 64 MiB are refused with a `DataError`.

    >>> from dlgraph.io.plain import read_json
    >>> read_json(b'{"a": [1, 2]}', "example")
    {'a': [1, 2]}
    """
    if len(content) > MAX_JSON:
        fail(what, f"its JSON takes {len(content):,} bytes, more than {MAX_JSON:,}")
    _check_depth(content, what)

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) != len(found):
            keys = [key for key, _ in found]
            fail(what, f"{next(k for k in keys if keys.count(k) > 1)!r} occurs twice")
        return made

    def refuse(word: str) -> NoReturn:
        fail(what, f"{word} is no JSON number")

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=pairs, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        fail(what, f"it is not valid JSON: {error}")


def _check_depth(content: bytes, what: str) -> None:
    # Before parsing, since a parser that calls itself ends in a RecursionError, or worse.
    depth = 0
    for bracket in _BRACKET.finditer(_TEXT.sub(b"", content)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > MAX_DEPTH:
            fail(what, f"its JSON is nested deeper than {MAX_DEPTH} levels")


def write_json(value: Any) -> str:
    """JSON that `read_json` reads back."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def is_text(name: str) -> bool:
    """Can it be written to a file?  Python's text can hold halves of characters, a file cannot.

    >>> from dlgraph.io.plain import is_text
    >>> is_text("µ"), is_text("\\ud83d")
    (True, False)
    """
    return writable(name) == name


def writable(text: str) -> str:
    """The text with a `?` for every half of a character: JSON can hold one, a file cannot.

    >>> from dlgraph.io.plain import writable
    >>> writable("\\ud83d!")
    '?!'
    """
    return text.encode("utf-8", "replace").decode()


def fail(what: str, why: str, hint: str | None = None) -> NoReturn:
    """Raise the `DataError` for a file, or an entry of one."""
    raise DataError(f"{what}: {why}", hint=hint or "the file is damaged, or not what it claims")


def field(found: Any, name: str, kind: type | tuple[type, ...], what: str) -> Any:
    """A field of a JSON object, of the right type; anything else is an error."""
    if not isinstance(found, dict):
        fail(what, f"an object is needed, not {_kind(found)}")
    if name not in found:
        fail(what, f"{name!r} is missing")
    value = found[name]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if type(value) not in kinds:
        wanted = " or ".join(one.__name__ for one in kinds)
        fail(what, f"{name!r} is {_kind(value)}, not {wanted}")
    return value


def fields(found: Any, names: set[str], what: str) -> None:
    """Raise if an object has fields other than these."""
    if not isinstance(found, dict):
        fail(what, f"an object is needed, not {_kind(found)}")
    unknown = sorted(found.keys() - names)
    if unknown:
        fail(what, f"the field {unknown[0]!r} is unknown")


def whole(value: Any, least: int, most: int, what: str) -> int:
    """A whole number in a range."""
    if type(value) is not int or not least <= value <= most:
        fail(what, f"{_short(value)} is not a whole number from {least} to {most}")
    return value


def _kind(value: Any) -> str:
    words: dict[type, str] = {dict: "an object", list: "a list", str: "text"}
    return words.get(type(value)) or _short(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
