"""Measure dlgraph beside its peers: hands `dlgraph_peer.py` to the shared harness.

    python bench/run.py --only W3 --threads 1 --json w3.json

Every option goes to the harness (`../shared/bench/run.py --help`); peers live in environments of
their own, named in its `pythons.json`.  Without the harness there is nothing to compare with.

What takes from OpenBLAS the choice of its kernels is left out of the environment of all peers, and
named: it would slow NumPy down and no other peer.  `--env OPENBLAS_CORETYPE=Haswell` puts it back.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HARNESS = HERE.parents[1] / "shared" / "bench"
LEFT_OUT = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def environment() -> dict[str, str]:
    """The environment of the peers."""
    for name in LEFT_OUT:
        if name in os.environ:
            print(f"# left out: {name}={os.environ[name]}", flush=True)
    return {name: value for name, value in os.environ.items() if name not in LEFT_OUT}


def main() -> int:
    """Run the harness; our peer file takes the place of its stub."""
    if not HARNESS.is_dir():
        print(f"the harness is not here: {HARNESS}", file=sys.stderr)
        return 1
    command = [sys.executable, str(HARNESS / "run.py"), "--peer-dir", str(HERE), *sys.argv[1:]]
    return subprocess.run(command, env=environment(), check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
