"""PyTorch's operators of the outside yardstick that dlgraph does not map, and why.

Partly excluded, in the map itself: rows changed by looking them up (`embedding` with `max_norm`),
gradients divided by frequency, dropout inside attention (other random bits), the nuclear norm.
"""

from __future__ import annotations

DECOMPOSITION = "a matrix decomposition: dlgraph has products of matrices, not their factors"
SPECIAL = "a special function that networks do not use, and NumPy does not have"
DYNAMIC = "the shape of the result depends on the values, and no gradient flows"
CREATION = "makes an array from numbers alone: there is no input to differentiate"
RARE = "an operation on data that no lesson or layer of dlgraph needs"

EXCLUDED: dict[str, str] = {
    "argwhere": DYNAMIC,
    "cummax": RARE,
    "cummin": RARE,
    "cumulative_trapezoid": RARE,
    "digamma": SPECIAL,
    "erfinv": SPECIAL,
    "eye": CREATION,
    "full": CREATION,
    "gradient": RARE,
    "lgamma": SPECIAL,
    "linalg.cholesky": DECOMPOSITION,
    "linalg.det": DECOMPOSITION,
    "linalg.eigh": DECOMPOSITION,
    "linalg.inv": DECOMPOSITION,
    "linalg.matrix_norm": DECOMPOSITION,
    "linalg.norm": DECOMPOSITION,
    "linalg.pinv": DECOMPOSITION,
    "linalg.qr": DECOMPOSITION,
    "linalg.slogdet": DECOMPOSITION,
    "linalg.solve": DECOMPOSITION,
    "linalg.svd": DECOMPOSITION,
    "logdet": DECOMPOSITION,
    "nn.functional.conv3d": "convolutions have one or two dimensions here",
    "nn.functional.embedding_bag": RARE,
    "nn.functional.grid_sample": RARE,
    "nonzero": DYNAMIC,
    "quantile": RARE,
    "unique": DYNAMIC,
}
