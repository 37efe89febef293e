"""`python -m dlgraph` is the same as the command `dlgraph`; read `cli.py`."""

import sys

from dlgraph.cli import main

sys.exit(main())
