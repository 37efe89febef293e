"""Join the scripts of `frontend/` into the package: `python tools/build_frontend.py`.

1. Writes `frontend/src/generated/`: the sizes and the table of text widths, taken from the Python
   modules that own them, so that no number stands in two places.
2. Joins the modules of each bundle in the order of their imports, takes out what only people read
   (comments, spaces, long local names: tdewolff-minify, part of the `test` extra) and writes the
   result under `dlgraph/draw/js/`, from where the package reads it: as a script and packed.
   `unpack.js` is what unpacks it on a page (see dlgraph/draw/page.py).  Packing here, not when a
   figure is shown, makes a figure the same bytes with every zlib.

With `--check` nothing is written; the exit status says whether everything is up to date.  No Node
is needed: the modules keep to a small form (imports and exports at the start of a line, names at
the top level unique within a bundle), which this script checks.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import minify
import zopfli.zlib

from dlgraph.draw import boxes, text, theme

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "frontend" / "src"
TARGET = ROOT / "dlgraph" / "draw" / "js"
LIMIT = 25_000  # bytes per bundle, packed: every notebook that shows a figure carries its script

# Name of the bundle: the module whose exports it has.
BUNDLES = {
    "figure": "figure/index.js",
    "figure_kinds": "figure/kinds.js",
    "figure_large": "figure/large.js",
    "chart": "chart/index.js",
    "diff": "diff/index.js",
    "explore": "explore/index.js",
    "view": "view/index.js",
    "step": "step/index.js",
    "build": "build/index.js",
}
UNPACK = "page/unpack.js"  # stands before the larger of them, so it is short and not packed

_IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|let|class)", re.MULTILINE)
_DECLARED = re.compile(
    r"^(?:export )?(?:(?:async )?function\*?|const|let|class) ([\w$]+)", re.MULTILINE
)


def generated() -> dict[str, str]:
    """The modules that are written from Python, by path under `frontend/src`."""
    numbers = {
        name: value
        for module in (theme, boxes)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int)
    }
    marked = [name for name, style in theme.BOXES.items() if style.mark]
    sizes = [f"export const {name} = {value};" for name, value in sorted(numbers.items())]
    sizes.append(f"export const MARKED = {json.dumps(marked)};")
    table = json.dumps(list(text.CLASSES.items()), ensure_ascii=False)
    widths = [
        f"export const CLASSES = {table};",
        f"export const BLOCKS = {json.dumps(text.BLOCKS)};",
        f"export const OTHER = {text.OTHER};",
    ]
    note = "/* Written by tools/build_frontend.py from dlgraph/draw/{}: change it there. */\n"
    return {
        "generated/sizes.js": note.format("theme.py and boxes.py") + "\n".join(sizes) + "\n",
        "generated/widths.js": note.format("text.py") + "\n".join(widths) + "\n",
    }


def modules(entry: str) -> list[tuple[str, str]]:
    """Path and text of every module that `entry` needs, itself included, after what it imports."""
    done: dict[str, str] = {}
    waiting = [(entry, False)]
    while waiting:
        path, imported = waiting.pop()
        if path in done:
            continue
        content = (SOURCE / path).read_text(encoding="utf-8")
        if imported:
            done[path] = content
            continue
        waiting.append((path, True))
        needed = [_resolved(path, match[2]) for match in _IMPORT.finditer(content)]
        waiting += [(other, False) for other in reversed(needed)]
    return list(done.items())


def _resolved(path: str, target: str) -> str:
    return (SOURCE / path).parent.joinpath(target).resolve().relative_to(SOURCE).as_posix()


def bundle(entry: str) -> str:
    """One expression, `(()=>{...return{names}})()`, whose value holds the exports of `entry`.

    Raises SystemExit where a module does not keep to the form that can be joined.
    """
    parts = modules(entry)
    imported = {
        name.strip()
        for _, content in parts
        for match in _IMPORT.finditer(content)
        for name in match[1].split(",")
        if name.strip()
    }
    declared: dict[str, str] = {}
    joined = []
    for path, content in parts:
        if path.startswith("generated/"):
            content = _only(imported, content)
        for name in _DECLARED.findall(content):
            if name in declared:
                raise SystemExit(f"{path} and {declared[name]} both declare {name} at top level")
            declared[name] = path
        plain = _EXPORT.sub("", _IMPORT.sub("", content))
        if left := re.search(r"^(?:import|export)\b.*", plain, re.MULTILINE):
            raise SystemExit(f"{path}: cannot join {left[0]!r}; see the form in {__file__}")
        joined.append(plain)
    if missing := sorted(imported - set(declared)):
        raise SystemExit(f"{entry}: nothing declares {', '.join(missing)}")
    names = [name for name, path in declared.items() if path == entry and _exported(entry, name)]
    whole = "\n".join(joined) + f"\nreturn {{{', '.join(names)}}};"
    return minify.string("application/javascript", f'(()=>{{"use strict";{whole}}})()') + "\n"


def expression(path: str) -> str:
    """A module that is one function, as an expression."""
    plain = _EXPORT.sub("", (SOURCE / path).read_text(encoding="utf-8"))
    start = "let f="
    return minify.string("application/javascript", start + plain[plain.index("function") :])[
        len(start) :
    ]


def _only(wanted: set[str], content: str) -> str:
    """Of a written module, the constants that somebody imports."""
    rows = content.splitlines(keepends=True)
    return "".join(
        row for row in rows if (found := _DECLARED.match(row)) is None or found[1] in wanted
    )


def packed(text: str) -> str:
    """Deflated, then written in the 91 printable characters that a quoted string in HTML can hold.

    Two characters hold 13 bits, low ones first (base64: 12).  Left out: the quote, the backslash
    and the character that opens a tag.
    """
    text = text.strip()
    data = zopfli.zlib.compress(text.encode())[2:-4]  # without zlib's head and checksum
    while -8 * len(data) % 13 > 7:  # the last 13 bits would hold a byte too many: refused
        text += "\n"
        data = zopfli.zlib.compress(text.encode())[2:-4]
    bits = int.from_bytes(data, "little")
    alphabet = [chr(code) for code in range(33, 127) if chr(code) not in '"\\<']
    found = []
    for _ in range(0, 8 * len(data), 13):
        bits, value = bits >> 13, bits & 8191
        found += [alphabet[value % 91], alphabet[value // 91]]
    return "".join(found)


def _exported(path: str, name: str) -> bool:
    content = (SOURCE / path).read_text(encoding="utf-8")
    return bool(re.search(rf"^export .*\b{re.escape(name)}\b", content, re.MULTILINE))


def main(arguments: list[str] | None = None) -> int:
    """Write what is not up to date; with `--check` only say so."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BUNDLES)}; without any: all")
    given = parser.parse_args(arguments)
    check, names = given.check, given.names or list(BUNDLES)
    stale = _update({SOURCE / path: content for path, content in generated().items()}, check)
    if not (check and stale):
        bundles = {TARGET / f"{name}.js": bundle(BUNDLES[name]) for name in names}
        wanted = {**bundles, TARGET / "unpack.js": expression(UNPACK)}
        for path, content in bundles.items():
            wanted[path.with_suffix(".packed")] = short = packed(content)
            size = len(content.encode())
            print(f"{path.relative_to(ROOT)}: {size:,} bytes, packed {len(short):,}")
            if len(short) > LIMIT:
                raise SystemExit(f"{path.name} is over {LIMIT:,} bytes when packed")
        stale += _update(wanted, check)
    for path in stale:
        print(f"{'out of date' if check else 'written'}: {path.relative_to(ROOT)}")
    return int(check and bool(stale))


def _update(wanted: dict[Path, str], check: bool) -> list[Path]:
    stale = [
        path
        for path, content in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    for path in [] if check else stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8", newline="\n")
    return stale


if __name__ == "__main__":
    sys.exit(main())
