"""The widget that a notebook shows: the only module that imports anywidget.

A widget carries its script with every instance, so the script travels packed (page.py knows how)
and is unpacked in the browser.  It shows itself under a display id, so that `freeze()` can put a
plain figure in its place: a saved notebook then has the figure and no widget that is gone.
Read next: exploration.py.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from contextlib import suppress
from typing import Any

from dlgraph.draw.figure import Figure
from dlgraph.draw.page import script, unpack
from dlgraph.errors import MissingPackageError

try:
    import anywidget
    import traitlets
    from IPython.display import display
except ImportError as error:
    raise MissingPackageError(
        f"live widgets need a package that is not installed: {error.name}",
        hint='pip install "dlgraph[lab]", then restart the kernel',
    ) from None

# anywidget calls the default export once for each widget.
_LOADER = """export default async()=>{
const text="export default "+UNPACK("CODE");
const url=URL.createObjectURL(new Blob([text],{type:"text/javascript"}));
try{return(await import(url)).default.widget()}finally{URL.revokeObjectURL(url)}
}"""

_SHOWN: weakref.WeakSet[Widget] = weakref.WeakSet()


def module(bundle: str) -> str:
    """The JavaScript module of a bundle, as anywidget takes it."""
    return _LOADER.replace("UNPACK", unpack(bundle)).replace("CODE", script(bundle))


class Widget(anywidget.AnyWidget):
    """A live figure: shows itself, answers messages of its script, freezes into a figure.

    A subclass says what `figure()` it becomes and how it answers: `answer(message)` returns the
    reply and its buffers.
    """

    payload = traitlets.Dict().tag(sync=True)

    def __init__(self, bundle: str, payload: dict[str, Any]):
        self._esm = module(bundle)
        self._handles: list[Any] = []
        self._lock = threading.Lock()  # messages arrive in a thread of the kernel
        super().__init__(payload=payload)
        self.on_msg(self._receive)

    def figure(self) -> Figure:
        """The figure of the present state."""
        raise NotImplementedError

    def answer(self, message: Any) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        """The reply to a message of the browser."""
        raise NotImplementedError

    def freeze(self) -> Figure:
        """Put the figure of the present state in the place of the widget; returns the figure.

        A saved notebook then shows the figure, with or without a kernel.  The widget itself is
        closed; show it again by running the cell again.
        """
        with self._lock:
            figure = self.figure()
            for handle in self._handles:
                handle.update(figure._repr_mimebundle_(), raw=True)
            self._handles.clear()
            _SHOWN.discard(self)
        self.close()
        return figure

    def describe(self) -> str:
        """The present state in words, for those who cannot see it."""
        return self.figure().describe()

    def _receive(self, widget: Any, message: Any, buffers: Any) -> None:
        with self._lock:
            content, arrays = self.answer(message)
        self.send(content, list(arrays))

    def _repr_mimebundle_(self, **options: Any) -> Any:
        found = super()._repr_mimebundle_(**options)
        live = found[0] if isinstance(found, tuple) else found or {}
        return {**self.figure()._repr_mimebundle_(), **live, "text/plain": str(self)}

    def _ipython_display_(self) -> None:
        if self.comm is None:  # frozen: there is no widget any more
            display(self.figure())
            return
        handle = display(self._repr_mimebundle_(), raw=True, display_id=True)
        self._handles.append(handle)
        _SHOWN.add(self)

    def __str__(self) -> str:
        return str(self.figure())

    def __repr__(self) -> str:
        return str(self)


@atexit.register
def _freeze_all() -> None:
    """When the kernel ends on purpose, what is still open in the notebook becomes a figure."""
    for widget in list(_SHOWN):
        with suppress(Exception):  # the place where it was shown may be gone already
            widget.freeze()
