"""Draw the pictures of the README from real runs: `python tools/readme_figures.py`.

Each function below makes one file in `docs/`.  With `--check` nothing is written; the exit status
says whether the stored files are what is drawn today (`tests/test_readme_figure.py` asks the same).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

import dlgraph as dg

DOCS = Path(__file__).resolve().parent.parent / "docs"


class Drawn(Protocol):
    """What is needed of a figure here."""

    @property
    def svg(self) -> str: ...


def formula() -> Drawn:
    """The formula of lesson 1 with its gradients."""
    a = dg.Tensor(4.0, requires_grad=True, name="a")
    b = dg.Tensor(5.0, requires_grad=True, name="b")
    y = 2 * a + 3 * b
    y.backward()
    return dg.draw(y)


def memory() -> Drawn:
    """One training step of a network with one hidden layer, for 16 images of MNIST's size."""
    model = dg.nn.Sequential(dg.nn.Linear(784, 100), dg.nn.ReLU(), dg.nn.Linear(100, 10))
    with dg.Graph().as_default() as graph:
        image = dg.placeholder((None, 784), name="image")
        label = dg.placeholder((None,), "int64", name="label")
        loss = dg.cross_entropy(model(image), label)
        step = dg.optim.SGD(model.parameters(), lr=0.1).minimize(loss)
    session = dg.Session(graph)
    session.run(graph.startup)
    feed = {image: np.zeros((16, 784), np.float32), label: np.zeros(16, np.int64)}
    return dg.memory(session.program([loss, step], feed))


def digits() -> Drawn:
    """The first images of scikit-learn's digits, of which every installation has a copy."""
    return dg.view(dg.data.digits().train.images[:8], title="the first eight images of a batch")


FIGURES: dict[str, Callable[[], Drawn]] = {"formula": formula, "memory": memory, "digits": digits}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 if a picture is not current (--check)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare, write nothing")
    options = parser.parse_args(arguments)
    stale = False
    for name, draw in FIGURES.items():
        path, text = DOCS / f"{name}.svg", draw().svg
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if options.check:
            print(f"{path.name} is not what is drawn today: python tools/readme_figures.py")
            stale = True
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.name}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
