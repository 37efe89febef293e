"""PyTorch on the GPU: the harness's own peer, with its tensors and models there.

`python bench/run.py` hands this folder to the harness, so `--peers torch_gpu,...` finds it.  JAX's
peer needs no other file: `--env JAX_PLATFORMS=cuda`.  `bench/RESULTS.md` has the whole command.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import common as shared  # the harness puts its folder on the path
import torch

STATUS = "ready" if torch.cuda.is_available() else "there is no GPU"


def versions():
    """What was measured."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {"torch": torch.__version__, "cuda": torch.version.cuda or "none", "gpu": name}


def peer_on(device: str) -> ModuleType:
    """The harness's peer for PyTorch, all of whose tensors are on this device."""
    path = Path(shared.__file__).parent / "peers" / "torch_peer.py"
    spec = importlib.util.spec_from_file_location("torch_peer", path)
    assert spec is not None and spec.loader is not None
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    peer.T = lambda array: torch.from_numpy(array).to(device)
    torch.set_default_device(device)
    return peer


def workloads():
    """W1 to W6; compiled forms record CUDA graphs, as `mode="reduce-overhead"` does."""
    from torch._inductor import config

    config.triton.cudagraphs = True
    found = peer_on("cuda").workloads()
    return {
        name: make
        for name, make in found.items()
        if not name.startswith("W7") and not name.endswith("compile-cpp")
    }
