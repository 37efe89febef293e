"""Measure the figures in headless Chromium: first draw, a graph of 10,000 nodes, panning.

    python bench/figures.py

Needs Chromium and playwright.  A first draw is timed on the page, from the start of the figure's
script to the frame that shows it: unpacking, layout and painting are in it.
"""

from __future__ import annotations

import argparse
import random
import shutil
import time
from statistics import median
from typing import Any

import numpy as np

import dlgraph as dg
from dlgraph import nn

FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]

# Puts a figure on the page as a notebook does, times it from the start of its script, or from the
# start of `action` on it.  The frame that shows it has been painted when the message that its
# callback posts arrives.
PAGE = """<!doctype html><meta charset="utf-8"><body><p>A page with text.</p><script>
const painted = () => new Promise((done) => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = done;
  port2.postMessage(0);
}));
const show = async (html) => {
  document.querySelector("main")?.remove();
  const place = document.createElement("main");
  place.innerHTML = html;
  document.body.append(place);
  const script = document.createElement("script");
  script.text = place.querySelector("script").text;
  const start = performance.now();
  place.querySelector("script").replaceWith(script);
  await painted();
  return performance.now() - start;
};
</script>"""

# As a hand that drags: a little further in every frame.  The times between frames.
PAN = """async () => {
  const stage = document.querySelector("[data-dlgraph]").shadowRoot.querySelector(".stage");
  const frame = () => new Promise(requestAnimationFrame);
  const times = [];
  let last = await frame();
  for (let i = 0; i < 60; i++) {
    stage.scrollBy(i % 2 ? 9 : -5, 37);
    const now = await frame();
    times.push(now - last);
    last = now;
  }
  return times;
}"""

OPEN_ALL = """async () => {
  const root = document.querySelector("[data-dlgraph]").shadowRoot;
  const tasks = [0];
  const note = list => tasks.push(...list.getEntries().map(one => one.duration));
  new PerformanceObserver(note).observe({ type: "longtask" });
  const start = performance.now();
  root.querySelector("[aria-label='Open all']").click();
  while (!root.querySelector("canvas")) await new Promise(done => setTimeout(done));
  await painted();
  const drawn = performance.now() - start;
  await new Promise(done => setTimeout(done, 3000));
  return [drawn, Math.max(...tasks)];
}"""


def tangle(boxes: int) -> dg.Tensor:
    """An eager computation with its gradients, drawn as about `boxes` boxes; no part repeats."""
    rng = random.Random(7)
    made = [dg.Tensor(np.full((2, 3), 0.5), requires_grad=True, name="x")]
    operations: list[Any] = [dg.tanh, dg.sigmoid, dg.exp, dg.negative, dg.square]
    while 2 * len(made) < boxes - 2:
        value, earlier = made[-1], rng.choice(made[-4:])
        made.append(rng.choice([*operations, lambda x, y=earlier: x * y])(value))
    loss = dg.sum(made[-1])
    loss.backward(retain_graph=True)
    return loss


class Block(nn.Module):
    """Two layers with a way around them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: dg.Tensor) -> dg.Tensor:
        return dg.tanh(x + self.two(dg.relu(self.one(x))))


def stages(count: int, blocks: int) -> dg.Tensor:
    """A network of stages of blocks, eleven nodes each, with its gradients."""
    parts = [nn.Sequential(*[Block() for _ in range(blocks)]) for _ in range(count)]
    loss = dg.mean(nn.Sequential(*parts)(dg.Tensor(np.ones((4, 8), np.float32), name="x")) ** 2)
    loss.backward(retain_graph=True)
    return loss


def first_draws(browser: Any, text: str, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds to the painted figure, on fresh pages and on a page that showed one before."""
    fresh, warm = [], []
    for _ in range(rounds):
        page = opened(browser)
        fresh.append(page.evaluate("html => show(html)", text))
        page.wait_for_timeout(100)
        warm.append(page.evaluate("html => show(html)", text))
        page.context.close()
    return fresh, warm


def opened(browser: Any) -> Any:
    """A page of its own, without a network."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.set_content(PAGE)
    page.wait_for_timeout(100)
    return page


def timed_bundle(x: Any) -> tuple[float, dict[str, str]]:
    """Seconds of the processor from `dg.draw(x)` to what the notebook stores."""
    start = time.process_time()
    bundle = dg.draw(x)._repr_mimebundle_()
    return time.process_time() - start, bundle


def main() -> None:
    """Print one line per measurement."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        for boxes in (10, 100, 300):
            measure(browser, tangle(boxes), rounds)
        text = measure(browser, stages(10, 91), rounds)
        page = opened(browser)
        page.evaluate("html => show(html)", text)
        drawn, longest = page.evaluate(OPEN_ALL)
        print(f"  all scopes opened, canvas drawn: {drawn:.0f} ms, longest task {longest:.0f} ms")
        times = page.evaluate(PAN)
        print(f"  pan: {median(times):.0f} ms a frame, 95 % within {sorted(times)[56]:.0f} ms")
        browser.close()


def measure(browser: Any, x: dg.Tensor, rounds: int) -> str:
    """Print what one figure takes; returns its HTML."""
    seconds, bundle = min((timed_bundle(x) for _ in range(3)), key=lambda one: one[0])
    text = bundle["text/html"]
    fresh, warm = first_draws(browser, text, rounds)
    boxes = len(dg.draw(x).layout.boxes)
    print(
        f"{len(x.graph):,} nodes, {boxes} boxes, {len(text) / 1024:.1f} KiB, "
        f"Python {1e3 * seconds:.0f} ms; first draw on a fresh page {min(fresh):.0f} ms "
        f"(median {median(fresh):.0f}), on a page with a figure {min(warm):.0f} "
        f"(median {median(warm):.0f})"
    )
    return text


if __name__ == "__main__":
    main()
