"""The operations: each primitive once, and functions composed of primitives.

Importing this package fills the registry.  Read `math.py` first.
"""

from dlgraph.ops import contract, index, math, nn, random, reduce, shape

__all__ = ["contract", "index", "math", "nn", "random", "reduce", "shape"]
