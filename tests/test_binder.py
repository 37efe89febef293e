"""Binder: the image that repo2docker would build, read without Docker; and the launch link."""

import importlib.metadata as metadata
import os
import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tools.normalise_notebooks import ROOT

BINDER = ROOT / "binder"
REPO2DOCKER = [sys.executable, "-m", "repo2docker"]


@pytest.fixture(scope="module")
def dockerfile():
    pytest.importorskip("repo2docker", reason="repo2docker is in the extra: pip install -e .[test]")
    done = subprocess.run(
        # the user's number matters to a build only, and must not be root's
        [*REPO2DOCKER, "--no-build", "--debug", "--user-id=1000", "--user-name=learner", ROOT],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_steps_of_the_image_in_order(dockerfile):
    steps = [
        "COPY --chown=1000:1000 src/ ${REPO_DIR}/",  # the whole repository, before pip needs it
        'pip install --no-cache-dir -r "binder/requirements.txt"',
        "RUN ./binder/postBuild",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    ]
    places = [dockerfile.find(step) for step in steps]
    assert -1 not in places, dict(zip(steps, places, strict=True))
    assert places == sorted(places)


def test_python_version(dockerfile):
    wanted = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f"Building conda environment for python={wanted}\n" in dockerfile
    supported = metadata.metadata("dlgraph").get_all("Classifier")
    assert f"Programming Language :: Python :: {wanted}" in supported


def test_requirements_are_this_repository_with_its_lessons():
    assert (BINDER / "requirements.txt").read_text().split() == [".[lab]"]
    assert "lab" in metadata.metadata("dlgraph").get_all("Provides-Extra")


def test_scripts_may_be_run():
    for name in ("postBuild", "start"):
        assert os.access(BINDER / name, os.X_OK)
        subprocess.run(["bash", "-n", BINDER / name], check=True)


def test_start_sets_one_thread_and_becomes_the_command():
    code = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'])"
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    command = ["bash", BINDER / "start", sys.executable, "-c", code]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.communicate()[0].split() == ["1", "1"]
    status = subprocess.run(["bash", BINDER / "start", "sh", "-c", "exit 7"]).returncode
    assert status == 7


CARRIERS = [ROOT / "README.md", *sorted((ROOT / "notebooks").glob("*.ipynb"))]


def launch_address():
    """Binder's address for this repository, from the one place where its own address stands."""
    urls = dict(url.split(", ", 1) for url in metadata.metadata("dlgraph").get_all("Project-URL"))
    address = urlsplit(urls["Repository"])
    assert address.netloc == "github.com"
    return f"https://mybinder.org/v2/gh{address.path}/HEAD?urlpath=lab/tree/notebooks/"


@pytest.mark.parametrize("path", CARRIERS, ids=lambda path: path.name)
def test_launch_link(path):
    """README opens lesson 01, each lesson itself."""
    lesson = "01_one_formula.ipynb" if path.name == "README.md" else path.name
    links = re.findall(r"https://mybinder\.org/v2/[^\s)\"'\\]+", path.read_text(encoding="utf-8"))
    assert links, f"{path.name} has no launch link; it is {launch_address()}{lesson}"
    assert set(links) == {launch_address() + lesson}
