"""A figure's SVG made shorter for the `<img>` that travels in a notebook.

An image shows no tooltips and has its words in `alt`; so names, titles and descriptions are left
out, and paint that many shapes share is written once, as a class.  What one sees is the same.
Read next: page.py.
"""

from __future__ import annotations

import re
from collections import Counter

_SILENT = re.compile(
    r'<title>[^<]*</title>|<desc>[^<]*</desc>| id="[^"]*"| role="[^"]*"| aria-label="[^"]*"'
)
_PAINT = re.compile(
    r'(?: height="[^"]*"(?= rx))?'
    r'(?: (?:rx|fill|stroke|stroke-width|stroke-dasharray|font-\w+|text-anchor)="[^"]*")+'
)
_LENGTHS = ("height", "rx", "font-size")  # in a style sheet they need a unit, unlike strokes
_ELEMENT = re.compile(r"<(?!svg)\w[^>]*>")
_PATHS = re.compile(r'<path d="([^"]*)"/>(?:<path d="[^"]*"/>)+')
_ONE_PATH = re.compile(r"<g((?: (?!transform|id)[\w-]+=\"[^\"]*\")+)>(<path [^>]*?)/></g>")
_ONE_SPAN = re.compile(r'<text((?: [xy]="[^"]*")+)><tspan( class="\w+")>([^<]*)</tspan></text>')
_FONT = re.compile(r' font-family="[^"]*"')
_BARE_GROUP = re.compile(r"<g>((?:(?!<g\b).)*?)</g>", re.DOTALL)


def shortened(svg: str) -> str:
    """The same picture without what only a page of its own can use.

    >>> from dlgraph.draw.compact import shortened
    >>> red = '<path fill="red" stroke-width="2" d="M0 0h9"/>'
    >>> shortened(f'<svg xmlns="x"><g id="b"><title>two</title>{red}{red}</g></svg>')[15:53]
    '<style>.a{fill:red;stroke-width:2}</st'
    """
    found = _SILENT.sub("", svg.strip())
    while (bare := _BARE_GROUP.sub(r"\1", found)) != found:
        found = bare
    found = _PATHS.sub(_joined, found)
    found = _ONE_PATH.sub(r"\2\1/>", found)
    # Quoted names of fonts are long, and every system maps Arial to what it has.
    found = _FONT.sub(' font-family="Arial,sans-serif"', found, count=1)
    counts = Counter(paint[0] for tag in _ELEMENT.findall(found) for paint in _PAINT.finditer(tag))
    shared = [paint for paint, count in counts.items() if count > 1]
    names = {paint: _name(place) for place, paint in enumerate(shared)}

    def classed(match: re.Match[str]) -> str:
        name = names.get(match[0])
        return f' class="{name}"' if name else match[0]

    found = _ELEMENT.sub(lambda tag: _PAINT.sub(classed, tag[0], count=1), found)
    rules = "".join(f".{names[paint]}{{{_rule(paint)}}}" for paint in shared)
    found = _ONE_SPAN.sub(r"<text\1\2>\3</text>", found)
    head, end, rest = found.partition(">")
    return f"{head}{end}<style>{rules}</style>{rest}" if rules else found


def _joined(match: re.Match[str]) -> str:
    """Neighbours in one group as one path: they share their paint, dashes start anew for each."""
    parts = re.findall(r'd="([^"]*)"', match[0])
    return f'<path d="{"".join(parts)}"/>'


def _rule(paint: str) -> str:
    pairs = re.findall(r'([\w-]+)="([^"]*)"', paint)
    return ";".join(f"{name}:{text}{'px' * (name in _LENGTHS)}" for name, text in pairs)


def _name(place: int) -> str:
    return chr(ord("a") + place % 26) + (str(place // 26) if place >= 26 else "")
