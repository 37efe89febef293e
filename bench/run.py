"""Measure dlgraph beside its peers: hands `dlgraph_peer.py` to the shared harness.

    python bench/run.py --only W3 --threads 1 --json w3.json

Every option goes to the harness (`../shared/bench/run.py --help`); peers live in environments of
their own, named in its `pythons.json`.  Without the harness there is nothing to compare with.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HARNESS = HERE.parents[1] / "shared" / "bench"


def main() -> int:
    """Run the harness; our peer file takes the place of its stub."""
    if not HARNESS.is_dir():
        print(f"the harness is not here: {HARNESS}", file=sys.stderr)
        return 1
    command = [sys.executable, str(HARNESS / "run.py"), "--peer-dir", str(HERE), *sys.argv[1:]]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
