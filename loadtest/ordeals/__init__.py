"""What the ordeals share: a collector under a steady load, broken on purpose, and the comparison afterwards.

The commands beside this folder (crash, disk, memory, slow) and tests/durability run them.
"""

import sys
from pathlib import Path

for _place in ("tests", "loadtest"):  # the collector to break is the tests' own; the load is the fleet's
    if (_path := str(Path(__file__).resolve().parents[2] / _place)) not in sys.path:
        sys.path.insert(0, _path)
