"""The `text/html` of a figure: a picture for every place, and a script for those that run it.

    <div data-dlgraph="…"><img …></div><script>…</script>

The image shows wherever HTML shows: in a notebook that is not trusted, on a page that runs no
scripts.  Where the script runs it covers the image with the live figure.  The script is deflated
where half a figure would be code otherwise, needs no network and leaves no name behind on the page;
several figures, and the same figure twice, stand beside each other.  Read next: payload.py.
"""

from __future__ import annotations

import hashlib
from functools import cache
from html import escape
from importlib import resources

from dlgraph.draw.compact import shortened
from dlgraph.draw.payload import Json, dumps

# What happens on the page: unpack the code, run it in a script element (no eval: a page may forbid
# it), start it on every host of this figure that is not live yet.  The picture need not be drawn
# where the figure covers it; where a step fails (an old browser) it stays.
_LOADER = """(async(i,c,d)=>{
let q=document,e=q.createElement("script"),h;
e.text="document.currentScript.dg="+READ;
q.head.append(e);e.remove();HIDE
for(h of q.querySelectorAll(`[data-dlgraph="${i}"]`))if(!h.shadowRoot)
try{await e.dg.main(h,d);CHOOSEh.firstChild.removeAttribute("src")}
catch(x){SHOWh.shadowRoot.innerHTML="<slot>";throw x}
})""".replace("\n", "")

# The browser draws the picture as soon as this waits for anything, and that of a large figure
# takes as long as the figure; so it is hidden before.
_HIDE = """for(h of q.querySelectorAll(`[data-dlgraph="${i}"]`))if(!h.shadowRoot){
h.src=h.firstChild.src;h.firstChild.removeAttribute("src")}""".replace("\n", "")
_SHOW = """for(let o of q.querySelectorAll(`[data-dlgraph="${i}"]`))
if(o.src)o.firstChild.src=o.src;""".replace("\n", "")
READ_THE_PICTURE = ("chart", "view")  # scripts that begin with it: there it stays

# A figure that is coloured from the start chooses its colour as a reader would.
_CHOOSE = """for(let s of h.shadowRoot.querySelectorAll("select"))
if(s.title=="colour by"){s.value=d.colour;s.onchange()}""".replace("\n", "")

# The browser can inflate by itself, but takes its time (see frontend/src/page/unpack.js).  So only
# a small figure, of which this would be a good part, leaves it to the browser.
_STREAM = """c=>{
let o=[],n=0,k=0,p=0,s=new DecompressionStream("deflate-raw"),w=s.writable.getWriter(),
v=i=>(i=c.charCodeAt(i))-33-(i>34)-(i>60)-(i>92);
for(;p<c.length;p+=2){n|=v(p)+91*v(p+1)<<k;for(k+=13;k>7;k-=8){o.push(n&255);n>>>=8}}
w.write(Uint8Array.from(o));w.close();return new Response(s.readable).text()}""".replace("\n", "")
SMALL = "figure"


@cache
def script(bundle: str) -> str:
    """The code of a bundle as `packed` of tools/build_frontend.py wrote it."""
    return resources.files("dlgraph.draw").joinpath(f"js/{bundle}.packed").read_text("ascii")


@cache
def source(bundle: str) -> str:
    """The code of a bundle as it is, a string of JavaScript."""
    return dumps(resources.files("dlgraph.draw").joinpath(f"js/{bundle}.js").read_text("utf-8"))


@cache
def unpack(bundle: str) -> str:
    """A function, as text: from what `script` returns to the code, or to a promise of it."""
    if bundle == SMALL:
        return _STREAM
    text = resources.files("dlgraph.draw").joinpath("js/unpack.js").read_text("utf-8")
    return text.strip()


def html(payload: Json, *, bundle: str = "figure", svg: str = "", text: str = "") -> str:
    """The `text/html` of a figure: `svg` as an image with `text` as its alternative, and a script.

    `bundle` names the script (`dlgraph/draw/js/<bundle>.js`), which exports `main(host, payload)`.
    The figure is known on the page by a name made from its content.  A `colour` in the payload is
    what its list "colour by" starts with.

    >>> from dlgraph.draw.page import html
    >>> page = html({"title": "</script>"}, svg="<svg/>", text='"quoted"')
    >>> page.count("</script>"), "<img alt='&quot;quoted&quot;' src='data:" in page
    (1, True)
    """
    data, picture = dumps(payload), image(svg, text)
    name = hashlib.sha256(f"{bundle}{text}{data}".encode()).hexdigest()[:10]
    # Unpacking takes a fresh page 30 ms and more: too long to save less room than the figure takes.
    saved = len(source(bundle)) - len(script(bundle))
    small = saved > len(data) + len(picture)
    hidden = not small and bundle not in READ_THE_PICTURE
    code = f'"{script(bundle)}"' if small else source(bundle)
    parts = {
        "READ": f"await({unpack(bundle)})(c)" if small else "c",
        "HIDE": _HIDE if hidden else "",
        "SHOW": _SHOW if hidden else "",
        "CHOOSE": _CHOOSE if "colour" in payload else "",
    }
    loader = _LOADER
    for word, part in parts.items():
        loader = loader.replace(word, part)
    host = f'<div data-dlgraph="{name}">{picture}</div>'
    return f'{host}<script>{loader}("{name}",{code},{data})</script>'


def image(svg: str, text: str) -> str:
    """An `<img>` that holds the SVG, written out (base64 would be a third longer).

    >>> from dlgraph.draw.page import image
    >>> print(image('<svg a="#f"/>', "a & b"))
    <img alt='a &amp; b' src='data:image/svg+xml,<svg a="%23f"/>'>
    """
    data = shortened(svg)
    for character in "%#\n\r\t":  # in a URL the first two have a meaning, the others are dropped
        data = data.replace(character, f"%{ord(character):02X}")
    return f"<img alt='{escape(text)}' src='data:image/svg+xml,{_quoted(data)}'>"


def _quoted(text: str) -> str:
    """For an attribute in single quotes: only these two characters mean something there."""
    return text.replace("&", "&amp;").replace("'", "&#39;")
