"""Texts kept by their hash: settings, operation files, schedules, notices, and the list of the files in a return.

    audit/texts/<sha256>[.gz]

18 USC 3123(a)(3)(A)(iii) asks for the configuration at installation and after every change. An entry names a text by
the SHA-256 of its plain bytes; this folder holds the bytes, once however often they are named. Long ones are compressed
(a schedule of 2.4 million domains is 100 MB). Texts are durable before the entry that names them.
"""

import gzip
import hashlib
import zlib
from pathlib import Path

from collector.ground import files
from collector.ground.errors import CorruptError

FOLDER = "texts"
COMPRESSED_FROM = 65_536
"""Bytes from which a text is compressed; shorter ones stay readable with any pager."""
_LEVEL = 1


def keep(directory: Path, content: bytes) -> str:
    """Keep a text under `directory` (data_dir/audit); its SHA-256 in hex."""
    digest = hashlib.sha256(content).hexdigest()
    if not _paths(directory, digest):
        folder = directory / FOLDER
        files.make_directory(folder)
        if len(content) < COMPRESSED_FROM:
            files.publish_bytes(folder / digest, content)
        else:
            files.publish_bytes(folder / f"{digest}.gz", gzip.compress(content, _LEVEL, mtime=0))
    return digest


def read(directory: Path, digest: str) -> bytes:
    """The plain bytes of a text. FileNotFoundError where it is not kept, CorruptError where it is another."""
    found = _paths(directory, digest)
    if not found:
        raise FileNotFoundError(digest)
    path = found[0]
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error):
        content = b""
    if hashlib.sha256(content).hexdigest() != digest:
        cause = "does not have the SHA-256 of its name"
        raise CorruptError("read text", str(path), "the content", cause, "Restore it from a copy")
    return content


def kept(directory: Path) -> list[str]:
    """The hashes of all texts that are kept."""
    folder = directory / FOLDER
    if not folder.is_dir():
        return []
    names = (path.name for path in folder.iterdir() if not path.name.startswith(files.TEMPORARY_PREFIX))
    return sorted(name.removesuffix(".gz") for name in names)


def _paths(directory: Path, digest: str) -> list[Path]:
    paths = (directory / FOLDER / digest, directory / FOLDER / f"{digest}.gz")
    return [path for path in paths if path.exists()]
