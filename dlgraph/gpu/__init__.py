"""Arrays on an NVIDIA GPU, through CuPy: `pip install "dlgraph[cuda12]"` or `"dlgraph[cuda13]"`.

Nothing here is imported, and no CuPy, before a device is asked for.  Read `devices.py` (what moves
values), `program.py` (a graph on the device), `runner.py` (one plan: its launches, or a recording
of them), `launches.py` (from a plan to launches), `memory.py`, `cuda.py`, `kernels.py`, `rows.py`
(the kernels as CUDA C, from `ops/scalar.py`), `cublas.py` (products), `driver.py` (what all this
asks of a device), `cupy_backend.py` (the one file that imports CuPy).
"""

from dlgraph.gpu.devices import Device, device, is_available
from dlgraph.gpu.shown import GpuSource, source

__all__ = ["Device", "GpuSource", "device", "is_available", "source"]
