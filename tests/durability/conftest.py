"""The ordeals of loadtest/ run here in short; what they break is a real collector of their own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "loadtest"))
import ordeals  # noqa: F401 - lays the paths
