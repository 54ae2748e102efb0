"""The index: every scheduled domain in one read-only file that all workers map.

    offset  content
    0       magic, 8 bytes: b"PTINDEX" and the version, 1
    8       u32 length of the header
    12      u32 CRC-32 of the header
    16      header: JSON (ASCII), padded with spaces; counts, names of operations, families and registries,
            (offset, length) of each section, SHA-256 of everything after the header
    4096·k  the sections below, each beginning at a multiple of 4096, zeros between them

    section             type   per       content
    buckets             u32    bucket+1  first row of each bucket: CRC-32 of the name, its low bits
    name_offsets        i32    row+1     where a row's name begins in `names` (Arrow's string layout)
    terms_of_rows       u32    row       number of the row's term
    deeper              u8     row       0, or how many labels the next longer names have that end in this one
    names               bytes            lower-case names without separators
    term_from, _until   i64    term      the schedule's own dates, microseconds, half-open
    term_windows        24 B   term      i64 in, i64 out: dates widened by grace, empty where the action is block;
                                         u16 operation; 6 bytes of zeros. Together, for one memory access
    term_operation, _family, _registry   u16    numbers of names in the header
    term_action         u8     term      codes.Action

Rows stand in the order of their bucket, then name, operation and date; a domain with several windows, or in
several operations, has several rows. All numbers are little-endian. Term 0 is the marker: a name that is
not listed but has listed names below it (`co.uk` for `evil.co.uk`), so that a lookup starts at the last two
labels and stops at the first name that is absent. An unlisted host costs one probe, whatever its length; a
listed one costs one for each step in which the schedule nests names, and `deeper` jumps over steps that
hold nothing.

Downsides. CRC-32 is no keyed hash: an adversary who wrote a schedule could fill one bucket, but the court
writes it, and hosts from the wire only choose where to look. A host that ends in k nested listed names
costs k probes. The file is for little-endian machines. It is trusted after its header's checksum: reading
100 MB in each worker at each start would cost more than the promise is worth, so the whole is verified when
it is made and by `verify`. Limits: 2^31 bytes of names, 2^32 rows, 65,536 operations, families and
registries each.
"""

import hashlib
import json
import mmap
import os
import struct
import sys
import zlib
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, NoReturn

from collector.ground.errors import CorruptError

MAGIC = b"PTINDEX\x01"
HEADER_AT = 16
PAGE = 4096
MARKER = 0
"""The term of rows that are not listed and only say that longer names are."""

SECTIONS = {
    "buckets": "I",
    "name_offsets": "i",
    "terms_of_rows": "I",
    "deeper": "B",
    "names": "B",
    "term_from": "q",
    "term_until": "q",
    "term_windows": "B",
    "term_operation": "H",
    "term_family": "H",
    "term_registry": "H",
    "term_action": "B",
}

WINDOW = struct.Struct("<qqH6x")
"""An entry of term_windows: in_us, out_us, operation."""

_REMEDY = "The file can be made anew: delete it and reload"


class Header(NamedTuple):
    """What the head of an index file says."""

    rows: int
    domains: int
    terms: int
    operations: list[str]
    families: list[str]
    registries: list[str]
    sections: dict[str, tuple[int, int]]
    body: int
    size: int
    sha256: str


class Index:
    """An open index. Rows are numbered as records' subjects are; every array is a view of the mapped file."""

    def __init__(self, path: Path) -> None:
        if sys.byteorder != "little":
            raise CorruptError(
                "open index", str(path), "this machine", "it is not little-endian", "Use another"
            )
        self.path = path
        with path.open("rb") as file:
            self.header = header = read_header(file.read(HEADER_AT), file.fileno(), path)
            self._map = mmap.mmap(file.fileno(), header.size, access=mmap.ACCESS_READ)
            at, length = header.sections["names"]
            # A second mapping, of the names alone: its slices are bytes at once, with no offset to add.
            self.names = mmap.mmap(file.fileno(), max(length, 1), access=mmap.ACCESS_READ, offset=at)
        self.tag = int(header.sha256[:8], 16)
        """Tells indexes apart where 32 bits must do: the beginning of the content's hash."""
        self._view = memoryview(self._map)
        self.count = header.rows
        self.operations, self.families, self.registries = (
            header.operations,
            header.families,
            header.registries,
        )
        self.buckets = self._section("buckets")
        self.mask = len(self.buckets) - 2
        self.name_offsets = self._section("name_offsets")
        self.name_bytes = self._section("names")
        self.terms_of_rows = self._section("terms_of_rows")
        self.deeper = self._section("deeper")
        self.term_from, self.term_until = self._section("term_from"), self._section("term_until")
        self.term_windows = self._section("term_windows")
        self.operations_of_terms = self._section("term_operation")
        self.families_of_terms = self._section("term_family")
        self.registries_of_terms = self._section("term_registry")
        self.actions_of_terms = self._section("term_action")

    def name(self, row: int) -> bytes:
        """The domain of a row."""
        return self.names[self.name_offsets[row] : self.name_offsets[row + 1]]

    def rows_of(self, name: bytes) -> range:
        """The rows of exactly this name, markers included; empty when it is absent."""
        bucket = zlib.crc32(name) & self.mask
        first, beyond = self.buckets[bucket], self.buckets[bucket + 1]
        while first < beyond and self.name(first) != name:
            first += 1
        last = first
        while last < beyond and self.name(last) == name:
            last += 1
        return range(first, last)

    def find(self, host: bytes) -> dict[int, range]:
        """For each operation (number in `operations`) the rows of the longest listed suffix of a canonical
        host.
        """
        found: dict[int, range] = {}
        cut = host.rfind(b".", 0, host.rfind(b".")) + 1
        rows = self.rows_of(host[cut:])
        while rows:
            level: dict[int, range] = {}
            for row in rows:
                term = self.terms_of_rows[row]
                if term != MARKER:  # rows of one operation are neighbours
                    operation = self.operations_of_terms[term]
                    level[operation] = range(level[operation].start if operation in level else row, row + 1)
            found.update(level)
            labels = self.deeper[rows.start]
            if not labels:
                break
            parts = host.rsplit(b".", labels)
            if len(parts) < labels:
                break
            cut = len(parts[0]) + 1 if len(parts) > labels else 0
            rows = self.rows_of(host[cut:])
        return found

    def verify(self) -> None:
        """Read the whole file and compare it with its checksums; CorruptError when one byte differs."""
        verify(self.path)

    def close(self) -> None:
        """Give the mapping back; no view taken from it may be in use."""
        for name, value in list(vars(self).items()):
            if isinstance(value, memoryview) and name != "_view":
                value.release()
        self._view.release()
        self._map.close()
        self.names.close()

    def _section(self, name: str) -> memoryview:
        at, length = self.header.sections[name]
        return self._view[at : at + length].cast(SECTIONS[name])  # type: ignore[call-overload,no-any-return]


def read_header(start: bytes, descriptor: int, path: Path) -> Header:
    """Check and parse the head of an index file. Costs the same however large the file is."""
    if len(start) != HEADER_AT or start[:8] != MAGIC:
        _corrupt(path, "offset 0", "it does not begin as an index of this version")
    length = int.from_bytes(start[8:12], "little")
    size = os.fstat(descriptor).st_size
    if HEADER_AT + length > size:
        _corrupt(path, "offset 8", f"the header should have {length} bytes and the file has {size}")
    text = os.pread(descriptor, length, HEADER_AT)
    if zlib.crc32(text) != int.from_bytes(start[12:16], "little"):
        _corrupt(path, "offset 16", "the header does not match its checksum")
    try:
        fields = json.loads(text)
        fields["sections"] = {name: (at, extent) for name, (at, extent) in fields["sections"].items()}
        header = Header(**fields)
    except (ValueError, TypeError, KeyError) as error:
        _corrupt(path, "offset 16", f"the header is not understood ({type(error).__name__})")
    if header.sections.keys() != SECTIONS.keys():
        _corrupt(path, "offset 16", "it has other sections than this version")
    if header.size != size:
        _corrupt(path, "the end", f"it should have {header.size} bytes and has {size}")
    return header


def verify(path: Path) -> None:
    """Read a whole index file against its checksums; CorruptError names the first thing that does not
    hold.
    """
    with path.open("rb") as file:
        header = read_header(file.read(HEADER_AT), file.fileno(), path)
        file.seek(header.body)
        if hashlib.file_digest(file, "sha256").hexdigest() != header.sha256:
            _corrupt(path, f"offset {header.body} to the end", "the content does not match its SHA-256")
    edges = sorted(header.sections.values())
    if any(at + length > after for (at, length), (after, _) in pairwise(edges)):
        _corrupt(path, "offset 16", "sections overlap")


def _corrupt(path: Path, place: str, cause: str) -> NoReturn:
    raise CorruptError("open index", str(path), place, cause, _REMEDY)
