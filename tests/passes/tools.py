"""What the tests of the passes share."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from dlgraph.passes import Optimised, PassManager


def optimised(graph: Any, fetches: Any, feeds: Any = (), **options: Any) -> Optimised:
    """All passes of level 2, checked against the graph that was given."""
    target = options.pop("target", "planned")
    specs = options.pop("specs", None)
    watched = options.pop("watched", ())
    manager = PassManager(check=True, **options)
    return manager.run(graph, fetches, feeds, specs, target=target, watched=watched)


def kinds(found: Optimised) -> Counter[str]:
    """How many nodes of each primitive are left."""
    return Counter(record.primitive.name for record in found.graph.records)


def without(*names: str, **options: Any) -> PassManager:
    """A manager that runs all passes but these."""
    manager = PassManager(**options)
    manager.passes = [one for one in manager.passes if one.name not in names]
    return manager


def report(found: Optimised, name: str) -> Any:
    """The report of one pass."""
    return next(one for one in found.reports if one.name == name)


def normal(*shape: int) -> np.ndarray:
    """Reproducible numbers."""
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)
