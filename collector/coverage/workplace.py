"""Where a report's rows lie while it is made: below data_dir, so that no row is ever anywhere else.

    data_dir/coverage/work/           locked (flock) by whoever makes a report; another waits
    data_dir/coverage/work/report-…   the engine's folder, gone at the end; what a killed report left goes with the next one

Not the exports' turn: a report may be wanted while the night's export runs.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.coverage import FOLDER
from collector.ground import files

WORK = "work"
_LOCK = "lock"
_PREFIX = "report-"


@contextmanager
def workplace(data_dir: Path) -> Iterator[Path]:
    """A folder for one report. Raises OSError."""
    root = data_dir / FOLDER / WORK
    files.make_directory(root)
    with files.locked(root / _LOCK):
        for left in root.glob(_PREFIX + "*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
