"""What stands for a partner, as the list tells it and as files are found. Blocking; to be used by one thread.

A publication is on the shelf when its folder stands and the audit log has its `exported` entry with the hash of the manifest
that lies there; nothing else is given out. What was read of a manifest is kept in memory, without its record ranges: a
publication never changes. Files are asked for on disk each time, since partners' copies go when their time is over.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from collector.audit.log import Entry, LogReader
from collector.exports.manifest import MANIFEST, MANIFEST_MAX, OWN_NAMES, SIGNATURE, SUMS, parse
from collector.exports.publication import FOLDER, folder_of, sequences
from collector.ground.errors import CorruptError

LIST_MAX = 1000
"""Publications in one answer: some 1 MB of JSON; the next follow with `after`."""
SMALL_MAX = 64 << 20
"""Bytes of SHA256SUMS or a signature that is read to be hashed."""
ROOT = "/v1/publications"
_TYPES = {
    MANIFEST: "application/json",
    SIGNATURE: "text/plain; charset=us-ascii",
    SUMS: "text/plain; charset=us-ascii",
}
_TYPES_BY_SUFFIX = {".parquet": "application/vnd.apache.parquet", ".csv": "text/csv; charset=utf-8"}
_REMEDY = "Compare the folder with a copy; `pentrap verify` tells more. It is not given out meanwhile"


class Held(NamedTuple):
    """One file of a publication."""

    place: Path
    bytes: int
    sha256: str
    content_type: str
    sequence: int
    operation: str
    order: str

    @property
    def tag(self) -> str:
        """Its strong entity tag."""
        return f'"{self.sha256}"'


@dataclass(frozen=True)
class _Known:
    document: dict[str, Any]
    files: dict[str, Held]


class Shelf:
    """All partners' publications."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._reader = LogReader(data_dir / "audit")
        self._entered: dict[tuple[str, int], Entry] = {}
        self._known: dict[tuple[str, int], _Known] = {}

    def list(self, partner: str, after: int) -> tuple[list[dict[str, Any]], bool]:
        """The partner's next publications in order, at most LIST_MAX; and whether there are more.

        Raises CorruptError, OSError.
        """
        numbers = [one for one in sequences(self._data_dir / FOLDER / partner) if one > after]
        documents = []
        for number in numbers[:LIST_MAX]:
            known = self._look(partner, number)
            if known is not None:
                documents.append(_document(known))
        return documents, len(numbers) > LIST_MAX

    def find(self, partner: str, sequence: int, name: str) -> Held | None:
        """A file of one of the partner's publications. Raises CorruptError, OSError."""
        known = self._look(partner, sequence)
        return known.files.get(name) if known else None

    def _look(self, partner: str, sequence: int) -> _Known | None:
        key = partner, sequence
        if key not in self._known:
            folder = folder_of(self._data_dir, partner, sequence)
            if not folder.is_dir():
                return None
            if key not in self._entered:
                for entry in self._reader.new():
                    if entry.event == "exported":
                        self._entered[entry.facts["partner"], entry.facts["sequence"]] = entry
            if key not in self._entered:
                return None  # nobody decided that this is a publication
            self._known[key] = _read(folder, self._entered[key])
        return self._known[key]


def open_held(held: Held) -> int | None:
    """A descriptor of the file as its manifest describes it; None where its copy is gone. Raises CorruptError, OSError."""
    try:
        descriptor = os.open(held.place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size != held.bytes:
        os.close(descriptor)
        raise _damaged(held.place, f"{found.st_size} bytes, where its manifest says {held.bytes}")
    return descriptor


def _read(folder: Path, entry: Entry) -> _Known:
    own = {}
    for name in OWN_NAMES:
        with (folder / name).open("rb") as file:
            own[name] = file.read((MANIFEST_MAX if name == MANIFEST else SMALL_MAX) + 1)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in own.items()}
    if digests[MANIFEST] != entry.facts["manifest_sha256"]:
        raise _damaged(folder / MANIFEST, f"is not the one that entry {entry.number} says")
    manifest = parse(own[MANIFEST], str(folder / MANIFEST))
    url = f"{ROOT}/{manifest.sequence}"
    document = {
        "sequence": manifest.sequence,
        "kind": manifest.kind,
        "date": manifest.date.isoformat(),
        "order": manifest.order,
        "supplement": manifest.supplement,
        "complete": manifest.complete,
        "published": manifest.published,
        "tlp": manifest.tlp,
        "manifest_sha256": digests[MANIFEST],
        "manifest_url": f"{url}/{MANIFEST}",
        "signature_url": f"{url}/{SIGNATURE}",
        "sums_url": f"{url}/{SUMS}",
        "files": [
            {
                "name": file.name,
                "bytes": file.bytes,
                "rows": file.rows,
                "sha256": file.sha256,
                "dataset": file.dataset,
                "format": file.format,
                "schema_version": file.schema_version,
                "url": f"{url}/{file.name}",
            }
            for file in manifest.files
        ],
    }
    sizes = [(file.name, file.bytes, file.sha256) for file in manifest.files]
    sizes += [(name, len(content), digests[name]) for name, content in own.items()]
    files = {
        name: Held(
            folder / name,
            size,
            digest,
            _TYPES.get(name) or _TYPES_BY_SUFFIX.get(Path(name).suffix, "application/octet-stream"),
            manifest.sequence,
            entry.facts["operation"],
            manifest.order,
        )
        for name, size, digest in sizes
    }
    return _Known(document, files)


def _document(known: _Known) -> dict[str, Any]:
    """As it stands now: a file whose copy is gone, its time being over, is named and not available."""
    files = [one | {"available": known.files[one["name"]].place.exists()} for one in known.document["files"]]
    return known.document | {"files": files}


def _damaged(path: Path, cause: str) -> CorruptError:
    return CorruptError("give out publication", str(path.parent), path.name, cause, _REMEDY)
