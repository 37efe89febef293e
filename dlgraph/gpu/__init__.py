"""Arrays on an NVIDIA GPU, through CuPy: `pip install "dlgraph[cuda12]"` or `"dlgraph[cuda13]"`.

Nothing here is imported, and no CuPy, before a device is asked for.  Read `devices.py` (what moves
values), `cupy_backend.py` (the one file that imports CuPy), `program.py` (a graph on the device),
`cuda.py` (element-wise groups and reductions as CUDA C, made from `ops/scalar.py`).
"""

from dlgraph.gpu.devices import Device, device, is_available

__all__ = ["Device", "device", "is_available"]
