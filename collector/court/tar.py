"""The bundle as one tar that is the same, byte for byte, whenever it is made again from the same input.

Plain POSIX ustar (pax where a name or size needs it): one top folder, files only, in the order in which they are given; all
with the same time, owner 0, mode 0644. Written from begin to end: nothing is held in memory but a piece at a time, and nothing
is left to write where a disk refuses. It ends with

    SHA256SUMS              every file of the bundle but itself and the next
    SHA256SUMS.checkpoint   the log's checkpoint, with one more line over which it is signed: the SHA-256 of SHA256SUMS

so that the collector's key vouches for each byte of the bundle, together with the state of the log.
"""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

from collector.ground.errors import CorruptError

SUMS, SEAL = "SHA256SUMS", "SHA256SUMS.checkpoint"
MODE = 0o644


class Sink(Protocol):
    """Whatever takes bytes."""

    def write(self, content: bytes, /) -> object:
        """Take them."""


class HashingSink:
    """Passes bytes on and keeps their SHA-256 and number."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._digest = hashlib.sha256()
        self.bytes = 0

    def write(self, content: bytes) -> int:
        """Take them."""
        self._sink.write(content)
        self._digest.update(content)
        self.bytes += len(content)
        return len(content)

    def tell(self) -> int:
        """How many bytes were written; `tarfile` asks."""
        return self.bytes

    @property
    def sha256(self) -> str:
        """Of all that was written."""
        return self._digest.hexdigest()


class _HashingSource:
    """Gives a file's bytes and keeps their SHA-256."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._digest.update(content)
        return content

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class BundleTar:
    """Writes one bundle."""

    def __init__(self, sink: HashingSink, top: str, made_s: int) -> None:
        """`top` is the folder's name, `made_s` the time that every file bears."""
        stream: Any = sink
        # Not "w|": that keeps a piece back, and would write it, unasked, when what failed is thrown away.
        self._tar = tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by `close`
        self._top = top
        self._made_s = made_s
        self.sums: dict[str, str] = {}

    def add(self, name: str, content: bytes) -> None:
        """A file from memory."""
        self.add_file(name, io.BytesIO(content), len(content))

    def add_file(self, name: str, file: IO[bytes], size: int) -> str:
        """A file of `size` bytes; its SHA-256. Raises CorruptError where there are fewer."""
        if name in self.sums:
            raise ValueError(f"{name} twice in one bundle")
        member = tarfile.TarInfo(f"{self._top}/{name}")
        member.size, member.mtime, member.mode = size, self._made_s, MODE
        source = _HashingSource(file)
        try:
            self._tar.addfile(member, source)
        except OSError as error:
            if error.errno is not None:
                raise
            raise CorruptError(
                "make return", name, f"{size} bytes", "has fewer now", "Make it again"
            ) from None
        self.sums[name] = source.sha256
        return source.sha256

    def add_path(self, name: str, path: Path, sha256: str) -> None:
        """A file from disk, known by its hash. Raises CorruptError where it is another now."""
        with path.open("rb") as file:
            size = path.stat().st_size
            if self.add_file(name, file, size) != sha256:
                cause = "changed while the return was made"
                raise CorruptError(
                    "make return", str(path), "the content", cause, "Find out why before another try"
                )

    def close(self, seal: Callable[[str], bytes]) -> None:
        """The list of hashes, what `seal` makes of its hash, and the end of the archive."""
        content = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(self.sums.items())).encode("ascii")
        self.add(SUMS, content)
        self.add(SEAL, seal(self.sums[SUMS]))
        self._tar.close()
