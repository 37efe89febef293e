"""The command line: what it starts, what it says, and one real JupyterLab."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from dlgraph import cli, lessons
from dlgraph._version import __version__


@pytest.fixture
def source(tmp_path, monkeypatch):
    folder = tmp_path / "packaged"
    folder.mkdir()
    for name in ("01_one formula.ipynb", "02_two.ipynb"):
        (folder / name).write_text(name)
    monkeypatch.setattr(lessons, "lesson_source", lambda: folder)
    return folder


@pytest.fixture
def started(monkeypatch):
    """The commands that would have been started, with their environments."""
    calls = []

    def run(command, environment):
        calls.append((command, environment))
        return 0

    monkeypatch.setattr(cli, "run", run)
    return calls


@pytest.fixture
def no_threads(monkeypatch):
    for name in cli.THREADS:
        monkeypatch.delenv(name, raising=False)


def test_lab_copies_and_opens_the_first_lesson(
    source, started, no_threads, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["lab"]) == 0
    (command, environment) = started[0]
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={tmp_path / 'dlgraph-lessons'}" in command
    assert "--LabApp.default_url=/lab/tree/01_one%20formula.ipynb" in command
    assert "--no-browser" not in command
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "1"
    said = capsys.readouterr().out
    assert "2 files added, 0 kept" in said and "OMP_NUM_THREADS=1" in said
    assert (tmp_path / "dlgraph-lessons" / "02_two.ipynb").read_text() == "02_two.ipynb"


def test_lab_passes_further_arguments_on_last(source, started, tmp_path):
    folder = str(tmp_path / "mine")
    assert cli.main(["lab", folder, "--no-browser", "--", "--port", "9000", "--", "-y"]) == 0
    command = started[0][0]
    assert command[-5:] == ["--no-browser", "--port", "9000", "--", "-y"]


def test_lab_respects_the_users_threads(source, started, no_threads, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    cli.main(["lab", str(tmp_path / "mine")])
    environment = started[0][1]
    assert environment["OMP_NUM_THREADS"] == "4"
    assert "OPENBLAS_NUM_THREADS" not in environment  # OpenBLAS would prefer it to the user's 4
    assert "OMP_NUM_THREADS=4, as you set it" in capsys.readouterr().out


def test_lab_keeps_the_users_jupyter_settings(source, started, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/mine")
    cli.main(["lab", str(tmp_path / "mine")])
    assert started[0][1]["JUPYTER_CONFIG_PATH"] == os.pathsep.join([str(cli.SETTINGS), "/mine"])
    monkeypatch.delenv("JUPYTER_CONFIG_PATH")
    cli.main(["lab", str(tmp_path / "mine")])
    assert started[1][1]["JUPYTER_CONFIG_PATH"] == str(cli.SETTINGS)
    assert "announcements" in (cli.SETTINGS / "labconfig" / "page_config.json").read_text()


def test_lab_tells_of_a_newer_lesson_in_one_line(source, started, tmp_path, capsys):
    mine = tmp_path / "my lessons"
    cli.main(["lab", str(mine)])
    (source / "02_two.ipynb").write_text("second edition")
    capsys.readouterr()
    cli.main(["lab", str(mine)])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("newer")]
    assert len(lines) == 1
    assert "02_two.ipynb: yours is kept" in lines[0]
    assert f"`dlgraph lab --fresh 02 '{mine}'`" in lines[0]
    assert (mine / "02_two.ipynb").read_text() == "02_two.ipynb"


def test_lab_fresh_writes_beside_and_opens_it(source, started, tmp_path):
    mine = tmp_path / "mine"
    cli.main(["lab", str(mine)])
    (mine / "02_two.ipynb").write_text("my own work")
    assert cli.main(["lab", "--fresh", "02", str(mine)]) == 0
    assert "--LabApp.default_url=/lab/tree/02_two-fresh.ipynb" in started[1][0]
    assert (mine / "02_two-fresh.ipynb").read_text() == "02_two.ipynb"
    assert (mine / "02_two.ipynb").read_text() == "my own work"


def test_unknown_fresh_lesson_writes_and_starts_nothing(source, started, tmp_path, capsys):
    assert cli.main(["lab", str(tmp_path / "mine"), "--fresh", "77"]) == 1
    assert "'77' is no lesson" in capsys.readouterr().err
    assert not started and not (tmp_path / "mine").exists()


def test_folder_that_is_a_file(source, started, tmp_path, capsys):
    (tmp_path / "essay").write_text("text")
    assert cli.main(["lab", str(tmp_path / "essay")]) == 1
    error = capsys.readouterr().err
    assert "essay is a file, not a folder" in error and "hint" in error
    assert "Traceback" not in error and "\n  at " not in error
    assert not started


def test_without_jupyterlab(source, started, tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "jupyterlab" else find(name)
    )
    assert cli.main(["lab", str(tmp_path / "mine")]) == 1
    error = capsys.readouterr().err
    assert "JupyterLab is not installed" in error and 'pip install "dlgraph[lab]"' in error
    assert not started and not (tmp_path / "mine").exists()


def test_root_may_start_it(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert "--allow-root" in cli.lab_command(tmp_path, "01.ipynb")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "--allow-root" not in cli.lab_command(tmp_path, "01.ipynb")


def test_run_returns_the_status_and_passes_the_environment():
    code = "import os, sys; sys.exit(int(os.environ['STATUS']))"
    assert cli.run([sys.executable, "-c", code], {**os.environ, "STATUS": "7"}) == 7


def test_run_waits_on_after_ctrl_c(monkeypatch):
    waits = []

    class Server:
        def __init__(self, command, env):
            pass

        def wait(self):
            waits.append(1)
            if len(waits) < 3:
                raise KeyboardInterrupt
            return 0

    monkeypatch.setattr(subprocess, "Popen", Server)
    before = signal.getsignal(signal.SIGTERM)
    assert cli.run(["server"], {}) == 0
    assert len(waits) == 3 and signal.getsignal(signal.SIGTERM) is before


def test_version_and_help(capsys):
    for arguments, status, said in (
        (["--version"], 0, f"dlgraph {__version__}"),
        (["--help"], 0, "lab"),
        (["lab", "--help"], 0, "never overwritten"),
        (["paint"], 2, "invalid choice: 'paint'"),
        (["doctor", "--", "--port", "1"], 2, "only `dlgraph lab` takes further arguments"),
    ):
        with pytest.raises(SystemExit) as left:
            cli.main(arguments)
        shown = capsys.readouterr()
        assert left.value.code == status
        assert said in " ".join((shown.out + shown.err).split())


def test_no_command_shows_the_help(capsys):
    assert cli.main([]) == 2
    assert "lab" in capsys.readouterr().out


def test_module_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "dlgraph", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"dlgraph {__version__}"


def test_real_jupyterlab_serves_the_lessons(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        environment[name] = str(tmp_path / name.lower())
    command = [sys.executable, "-m", "dlgraph", "lab", "mine", "--no-browser", "--"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += ["--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=abc"]
    log = tmp_path / "log"
    with open(log, "w") as output:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://127.0.0.1:{port}"
        listed = json.loads(wait_for(f"{address}/api/contents?token=abc", server, log))
        names = {entry["name"] for entry in listed["content"]}
        packaged = lessons.lesson_notebooks(lessons.lesson_source())
        assert set(packaged) <= names
        page = urllib.request.urlopen(f"{address}/?token=abc", timeout=30)
        assert page.url.split("?")[0] == f"{address}/lab/tree/{packaged[0]}"
        assert "@jupyterlab/apputils-extension:announcements" in page.read().decode()
    finally:
        server.terminate()  # must end JupyterLab itself as well
        server.wait(60)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{address}/api", timeout=5)


def wait_for(url, server, log, seconds=120):
    """The body that `url` answers with, once the server is up."""
    end = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(url, timeout=10).read()
        except OSError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
