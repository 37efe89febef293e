"""A real JupyterLab in headless Chromium, for tests of what a student sees and touches.

`lab` is a server with folders of its own (settings, trust, runtime), so that nothing of the person
who runs the tests gets in or is changed.  `page` is a fresh browser page; at the end of a test it
must have raised no error and asked for nothing outside this machine.  `notebook` writes cells into
a file, opens and runs it.  The browser is that of `tests/conftest.py`; without one these tests are
skipped.

Screenshots are kept in `screenshots/` at the top of the repository (git ignores it), named after
their tests: look at them after a change to a figure.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

START_LIMIT = 90  # seconds; a busy machine needs 12
FOLDERS = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "IPYTHONDIR",
    "MPLCONFIGDIR",
)
SIZE = {"width": 1280, "height": 900}
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}

# Running cells before all of this is there loses the first one, or asks which kernel to use.
READY = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = app.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
  window.ready = true;
}"""

# Closes all documents without asking, and ends their kernels: each holds NumPy and more.  False if
# a test loaded the page itself (JupyterLab may still be restoring) or left a question open.
TIDY = """async () => {
  const app = window.jupyterapp;
  if (!window.ready || document.querySelector(".jp-Dialog")) return false;
  for (const widget of [...app.shell.widgets("main")]) {
    if (widget.context) widget.context.model.dirty = false;
    widget.close();
  }
  await app.serviceManager.sessions.shutdownAll();
  await new Promise(done => setTimeout(done, 50));
  return true;
}"""

SCREENSHOTS = Path(__file__).resolve().parents[2] / "screenshots"


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)


@dataclass
class Lab:
    """A running server: its address, the folder with its notebooks, and its log."""

    url: str
    folder: Path
    log: Path

    def write(self, name: str, cells: Any) -> Path:
        """Write a notebook of code cells; one that is a dict is taken as it is."""
        from nbformat.v4 import new_code_cell, new_notebook, writes

        made = [cell if isinstance(cell, dict) else new_code_cell(cell) for cell in cells]
        path = self.folder / name
        path.write_text(writes(new_notebook(cells=made, metadata={"kernelspec": KERNEL})), "utf-8")
        return path

    def read(self, name: str) -> dict:
        """A notebook as it was saved."""
        return json.loads((self.folder / name).read_text("utf-8"))


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab server for all tests of the run."""
    pytest.importorskip("jupyterlab")
    home = tmp_path_factory.mktemp("lab")
    folder = home / "notebooks"
    folder.mkdir()
    log = home / "server.log"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--LabApp.expose_app_in_browser=True", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *("--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"),
        f"--ServerApp.root_dir={folder}",
    ]
    with log.open("w") as output:
        server = subprocess.Popen(
            command, env=_environment(home), stdout=output, stderr=subprocess.STDOUT
        )
    found = Lab(f"http://127.0.0.1:{port}", folder, log)
    try:
        _wait_for(server, found)
        yield found
    finally:
        server.terminate()
        server.wait(20)


def _environment(home: Path) -> dict[str, str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for name in FOLDERS:
        environment[name] = str(home / name.lower())
        os.makedirs(environment[name])
    news = Path(environment["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab", "apputils-extension")
    news.mkdir(parents=True)
    settings = {"fetchNews": "false", "checkForUpdates": False}
    (news / "notification.jupyterlab-settings").write_text(json.dumps(settings))
    return environment


def _wait_for(server: subprocess.Popen, lab: Lab) -> None:
    end = time.monotonic() + START_LIMIT
    while True:
        try:
            urllib.request.urlopen(f"{lab.url}/api/status", timeout=2).read()
            return
        except OSError:
            words = lab.log.read_text()[-3000:]
            assert server.poll() is None, f"JupyterLab ended:\n{words}"
            assert time.monotonic() < end, f"JupyterLab did not start:\n{words}"
            time.sleep(0.1)


@pytest.fixture(scope="session")
def window(chromium):
    """One page of the browser for all tests: most of a test's time would be starting JupyterLab."""
    context = chromium.new_context(viewport=SIZE)
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


@pytest.fixture
def page(lab, window, request):
    """The page, tidied; at the end it must have raised no error and left this machine alone."""
    errors, outside = [], set()
    listeners = {
        "pageerror": lambda error: errors.append(str(error)),
        "request": lambda sent: _note(outside, sent.url, lab.url),
    }
    for event, listener in listeners.items():
        window.on(event, listener)
    window.set_viewport_size(SIZE)
    window.emulate_media(reduced_motion="null")
    yield window
    _photograph(window, _file_name(request))
    for event, listener in listeners.items():
        window.remove_listener(event, listener)
    if errors or not window.evaluate(TIDY):
        window.goto("about:blank")  # the next test starts JupyterLab anew
    assert not errors, errors
    assert not outside, f"the page asked the network for {outside}"


def _note(outside: set[str], url: str, own: str) -> None:
    if not url.startswith((own, own.replace("http", "ws", 1), "data:", "blob:")):
        outside.add(url)


def _photograph(page: Any, name: str) -> Path:
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=str(path))
    return path


def _file_name(request: Any) -> str:
    return re.sub(r"[^\w.-]+", "_", request.node.name).strip("_")


class Notebook:
    """An open notebook on a page."""

    def __init__(self, lab: Lab, page: Any, name: str):
        self.lab, self.page, self.name = lab, page, name

    def open(self, *, run: bool = True, kernel: bool = True) -> None:
        """Show it; with `run` run all cells, without `kernel` as a reader who has none."""
        if kernel and self.page.evaluate("() => window.ready"):
            self.command("docmanager:open", {"path": self.name})
        else:
            self.page.goto(f"{self.lab.url}/lab/tree/{self.name}?reset")
        self.page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell")
        if kernel:
            self.page.evaluate(READY)
        if run:
            self.run_all()

    def command(self, name: str, arguments: dict | None = None) -> None:
        """Execute a command of JupyterLab and wait until it is done."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => null)",
            [name, arguments or {}],
        )

    def run_all(self) -> None:
        """Run all cells; returns when the last one is done."""
        self.command("notebook:run-all-cells")

    def run_cell(self, number: int) -> None:
        """Run one cell, counted from 0."""
        self.page.evaluate(
            "k => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = k }", number
        )
        self.command("notebook:run-cell")

    def ask(self, expression: str) -> str:
        """The repr of an expression in the kernel, asked beside the cells."""
        return self.page.evaluate(
            """async code => {
              const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
              const future = kernel.requestExecute({ code: "None", store_history: false,
                silent: true, user_expressions: { asked: code } });
              const reply = await future.done;
              const found = reply.content.user_expressions.asked;
              return found.status === "ok" ? found.data["text/plain"] : `error: ${found.evalue}`;
            }""",
            expression,
        )

    def save(self) -> dict:
        """Save it; the notebook as it stands in the file."""
        self.command("docmanager:save")
        return self.lab.read(self.name)

    def end_kernel(self) -> None:
        """Shut the kernel down, as a computer that went to sleep would."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown().then(() => null)"
        )

    def theme(self, name: str) -> None:
        """`JupyterLab Light` or `JupyterLab Dark`."""
        self.command("apputils:change-theme", {"theme": name})
        light = str(name.endswith("Light")).lower()
        self.page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def screenshot(self, name: str) -> Path:
        """Keep a picture of the page as it is now."""
        return _photograph(self.page, f"{Path(self.name).stem}-{name}")


@pytest.fixture
def notebook(lab, page, request):
    """`notebook(cell, cell, ...)` writes, opens and runs a notebook."""

    def make(*cells: Any, name: str | None = None, run: bool = True) -> Notebook:
        found = Notebook(lab, page, name or f"{_file_name(request)}.ipynb")
        if cells:
            lab.write(found.name, cells)
        opened.append(found)
        found.open(run=run)
        return found

    opened: list[Notebook] = []
    yield make
    for one in opened:
        one.theme("JupyterLab Light")  # the server would remember another one
