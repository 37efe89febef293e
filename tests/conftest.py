"""What tests of several folders share: the browser, and operations that are forgotten again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dlgraph.core.primitive import FUNCTIONS, REGISTRY

PROGRAMS = ("chromium", "google-chrome")  # before the one that playwright may have installed
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]


@pytest.fixture(scope="session")
def chromium():
    """Chromium, one for the whole run (playwright allows no second); skips where there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("playwright is not installed")
    with sync_playwright() as driver:
        path = next(filter(None, map(shutil.which, PROGRAMS)), driver.chromium.executable_path)
        if not Path(path).exists():
            pytest.skip("no Chromium here: apt install chromium, or playwright install chromium")
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def registry():
    """What a test declares is forgotten afterwards."""
    kept = dict(REGISTRY), dict(FUNCTIONS)
    yield
    for table, before in zip((REGISTRY, FUNCTIONS), kept, strict=True):
        table.clear()
        table.update(before)
