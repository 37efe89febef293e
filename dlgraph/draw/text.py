"""Text in pictures: how wide it is, how it is cut, and which characters are let in.

No font is opened: a small table holds the widths of Arial, which Helvetica, Liberation Sans and
most fonts that stand in for them share.  The same table gives the same figure on every machine.
Read next: theme.py for the sizes in use, scene.py for who measures what.
"""

from __future__ import annotations

import re
from functools import lru_cache

ELLIPSIS = "…"
NAME_LIMIT = 200  # characters of a name that a picture ever shows, tooltips included

# Hundredths of the font size; the wider of regular and bold, so that either fits.
CLASSES = {
    24: "'",
    28: " ,./I\\ijl|",
    33: "!()-:;[]`ft·",
    39: "*r{}",
    47: '"',
    50: "z",
    56: "#$0123456789J_aceksvxy∂",
    58: "+<=>^~×−",
    61: "?FLTZbdghnopqu",
    67: "EPSVXY",
    72: "&ABCDHKNRU",
    78: "GOQw",
    83: "M",
    89: "%m",
    94: "W",
    102: "@…←→",
}
WIDTHS = {character: width for width, row in CLASSES.items() for character in row}
OTHER = 72  # accented Latin, Greek, Cyrillic: about a wide letter
_FULL = 104  # Chinese, Japanese, Korean
_EMOJI = 136

# First and last code point of each block, and its width.  Looked up only outside WIDTHS.
BLOCKS = (
    (0x0300, 0x036F, 0),
    (0x200B, 0x200F, 0),
    (0x2600, 0x27BF, _EMOJI),
    (0x2E80, 0xA4CF, _FULL),
    (0xAC00, 0xD7A3, _FULL),
    (0xF900, 0xFAFF, _FULL),
    (0xFE00, 0xFE0F, 0),
    (0xFE30, 0xFE4F, _FULL),
    (0xFF00, 0xFFEF, _FULL),
    (0x1F000, 0x3FFFF, _EMOJI),
)

_BREAK = re.compile("[\t\n\r\u2028\u2029\u0085]")
# Hebrew, Arabic and their neighbours.  What follows such a name would be shown to the left of it,
# `2·x = 8` as `2·8 = x`; a left-to-right mark after the name, which has no width, keeps the order.
MARK = "\u200e"
_LEFTWARD = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_WORDS = re.compile(f"((?>[{_LEFTWARD}]+(?:[ _\u200c\u200d]+[{_LEFTWARD}]+)*))(?!{MARK})")
# Characters that XML forbids, and marks that turn the direction of text around: they could make a
# label lie about what it says.
_REFUSED = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufffe\\uffff"
    "\\u061c\\u200f\\u202a-\\u202e\\u2066-\\u2069]"
    f"|(?<![{_LEFTWARD}]){MARK}"
)


def character_width(character: str) -> int:
    """Width of one character in hundredths of the font size."""
    width = WIDTHS.get(character)
    if width is not None:
        return width
    code = ord(character)
    for first, last, width in BLOCKS:
        if first <= code <= last:
            return width
    return OTHER


def text_width(text: str, size: float) -> float:
    """Width of `text` in pixels at this font size.

    >>> from dlgraph.draw.text import text_width
    >>> text_width("mul", 10)
    17.8
    """
    return _hundredths(text) * size / 100


@lru_cache(maxsize=4096)  # the same words stand in many boxes
def _hundredths(text: str) -> int:
    return sum(map(character_width, text))


def clean(text: object, limit: int = NAME_LIMIT) -> str:
    """One line of harmless characters, cut in the middle beyond `limit` characters.

    Line breaks become spaces; characters that XML forbids, and marks that reverse the direction
    of text, become the replacement character, so that nothing is hidden.  A name written from the
    right is followed by a mark that keeps what comes after it in order.

    >>> from dlgraph.draw.text import clean
    >>> clean("two\\nlines"), clean("a" * 10, limit=5)
    ('two lines', 'aa…aa')
    """
    raw = str(text)
    if len(raw) > limit:
        kept = max(limit - 1, 0)
        raw = raw[: (kept + 1) // 2] + ELLIPSIS + (raw[-(kept // 2) :] if kept > 1 else "")
    if raw.isascii() and raw.isprintable():
        return raw  # nearly every name
    return _WORDS.sub(rf"\1{MARK}", _REFUSED.sub("\ufffd", _BREAK.sub(" ", raw)))


def harmless(text: str) -> str:
    """The same text, its lines as they are, without the characters that `clean` refuses.

    >>> from dlgraph.draw.text import harmless
    >>> harmless("two\\nlines"), harmless("abc\\u202efdp.exe")
    ('two\\nlines', 'abc\ufffdfdp.exe')
    """
    if text.isprintable():
        return text
    return "\n".join(_REFUSED.sub("\ufffd", line) for line in text.split("\n"))


def fit(text: str, size: float, room: float) -> str:
    """`text`, cut in the middle until it is at most `room` pixels wide.

    The middle goes because names are told apart by both ends: `encoder…attention_weight_7`.

    >>> from dlgraph.draw.text import fit
    >>> fit("encoder/block_7/weight", 10, 80)
    'encode…weight'
    """
    if not text or text_width(text, size) <= room:
        return text
    head, tail = 0, len(text)
    left = room - text_width(ELLIPSIS, size)
    while head < tail:
        # The two ends grow in turn, the front first: deterministic and never lopsided.
        front = head <= len(text) - tail
        step = text_width(text[head] if front else text[tail - 1], size)
        if step > left:
            break
        left -= step
        head, tail = (head + 1, tail) if front else (head, tail - 1)
    return text[:head] + ELLIPSIS + text[tail:]


def wrapped(text: str, room: float, lines: int, size: float) -> list[str]:
    """Words in at most so many lines; the last is cut if there is more to say.

    >>> from dlgraph.draw.text import wrapped
    >>> wrapped("one two three four", 60, 2, 11)
    ['one two', 'three four']
    """
    found: list[str] = [""]
    words = clean(text, 2000).split(" ")
    for place, word in enumerate(words):
        longer = f"{found[-1]} {word}".strip()
        if text_width(longer, size) <= room:
            found[-1] = longer
        elif len(found) < lines:
            found.append(fit(word, size, room))
        else:
            rest = " ".join([found[-1], *words[place:]])
            cut = rest
            while cut and text_width(cut + ELLIPSIS, size) > room:
                cut = cut[:-1]
            found[-1] = cut + ELLIPSIS
            break
    return found
