"""The load across an order's end, in its small form, with real processes."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "loadtest" / "order_end.py"


def test_l02_500_check_ins_across_an_orders_end(tmp_path: Path) -> None:
    """All answered; recorded + suppressed_window = 500; no row at or after the end, and none missing before it."""
    result = tmp_path / "result.json"
    command = [
        sys.executable,
        str(SCRIPT),
        "--count",
        "500",
        "--seconds",
        "3",
        "--workers",
        "1",
        "--output",
        str(result),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(result.read_text())
    assert told["holds"]
    assert told["answered"] == 500 == told["fates"]["recorded"] + told["fates"]["suppressed_window"]
