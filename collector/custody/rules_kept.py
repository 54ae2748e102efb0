"""Compiled rules that nothing needs any more (D-08 of the architecture).

    data_dir/rules/<sha256>.json, <sha256>.index

They are no evidence: the texts that they were made from are kept in audit/texts, and segments hold names, not numbers.
One is needed while it is in force, while a journal of any kind still has to be read by it, and for a week after it was last
written or in force: a reload goes back to old rules by naming them again, and a day's coverage is told by its own schedule.
"""

import json
import re
from pathlib import Path

from collector.ground.errors import CorruptError
from collector.journal.format import HEADER_SIZE, decode_header

FOLDER = "rules"
CURRENT = "current"
RECENT_US = 7 * 86_400_000_000
_NAME = re.compile(r"[0-9a-f]{64}\.(?:json|index)", re.ASCII)


def rules_to_go(data_dir: Path, in_force_us: dict[str, int], now_us: int) -> list[Path]:
    """The files that nothing needs, by name; none where what is needed cannot be told.

    `in_force_us`: by rules' hash, until when they were last in force, as the audit log says.
    """
    folder = data_dir / FOLDER
    if not (folder / CURRENT).exists():
        return []
    recent = {digest for digest, moment_us in in_force_us.items() if moment_us > now_us - RECENT_US}
    try:
        needed = recent | _needed_by_journals(data_dir / "journal")
        needed.add((folder / CURRENT).read_text().strip())
        indexes = {
            _index_of(folder / f"{digest}.json") for digest in needed if (folder / f"{digest}.json").exists()
        }
    except (OSError, ValueError, KeyError, CorruptError):
        return []
    keep = {f"{digest}.json" for digest in needed} | {f"{digest}.index" for digest in indexes}
    return sorted(
        path
        for path in folder.iterdir()
        if _NAME.fullmatch(path.name)
        and path.name not in keep
        and path.stat().st_mtime_ns // 1000 < now_us - RECENT_US
    )


def _needed_by_journals(root: Path) -> set[str]:
    digests = set()
    for path in root.glob("*/*"):
        if path.suffix in (".journal", ".damaged"):
            try:
                with path.open("rb") as file:
                    digests.add(decode_header(file.read(HEADER_SIZE), str(path))[0].rules)
            except FileNotFoundError:
                continue  # became Parquet meanwhile
    return digests


def _index_of(path: Path) -> str:
    digest: str = json.loads(path.read_bytes())["index"]
    return digest
