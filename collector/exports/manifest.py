"""`manifest.json`: what a publication is, to the byte, and its place in the partner's sequence (contract: "Publications").

    exports/<partner>/<NNNNNN>/
        <files>              as the manifest names them, and no others
        manifest.json        this, in its one form: keys sorted, two spaces, ASCII, one newline at the end
        manifest.json.sig    SSHSIG over manifest.json (sshsig.py)
        SHA256SUMS           for `sha256sum -c`: the files and the manifest

The manifest holds the hash of every file and of the manifest before it, so one signature covers a publication and all that came
before. It also carries the audit log's checkpoint of its day: whoever keeps it can tell a log that was rewritten later.

The models are the one description: they write, they read strictly, and `schema()` is made from them.
"""

import hashlib
import json
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from collector.exports.kinds import REASONS, FileDataset, FileFormat, Kind, Tlp, WrittenFile
from collector.ground.codes import Fate
from collector.ground.errors import CorruptError

MANIFEST, SIGNATURE, SUMS = "manifest.json", "manifest.json.sig", "SHA256SUMS"
OWN_NAMES = (MANIFEST, SIGNATURE, SUMS)
MANIFEST_MAX = 16 << 20
"""Bytes of a manifest that is read: one of 100,000 record ranges has some 5 MB."""
SEQUENCE_MAX = 999_999
"""Six digits; a partner with a hundred orders gets there in 27 years."""
REMEDY = "Take the file again from where it came, and keep this one as evidence"


def _of_the_calendar(text: str) -> str:
    """The pattern lets a thirteenth month pass, at which every reader of the date would stumble later."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a moment that no calendar has") from None  # without the text: it is quoted nowhere
    return text


Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$"),
    AfterValidator(_of_the_calendar),
]
Line = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Stated(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class File(_Stated):
    """One file."""

    name: FileName
    bytes: Count
    rows: Count = Field(description="check-ins or hosts in it; a header line is none")
    sha256: Sha256
    dataset: FileDataset
    format: FileFormat
    schema_version: Annotated[int, Field(ge=1)]

    @classmethod
    def of(cls, written: WrittenFile) -> "File":
        """From what a writer returned."""
        return cls(**written._asdict())


class CheckIns(_Stated):
    """The first equation: accepted = the sum of all fates + open."""

    accepted: Count
    open: Count
    fates: dict[str, Count] = Field(description="check-ins by how they ended")

    @model_validator(mode="after")
    def _balances(self) -> Self:
        if not set(self.fates) <= {fate.name.lower() for fate in Fate}:
            raise ValueError("a fate that is none")
        if self.accepted != sum(self.fates.values()) + self.open:
            raise ValueError("the first equation does not hold")
        return self


class Rows(_Stated):
    """The second equation: recorded = delivered to at least one partner + withheld, by reason."""

    recorded: Count
    delivered: Count
    withheld: dict[str, Count]

    @model_validator(mode="after")
    def _balances(self) -> Self:
        if not set(self.withheld) <= set(REASONS):
            raise ValueError("a reason that is none")
        if self.recorded != self.delivered + sum(self.withheld.values()):
            raise ValueError("the second equation does not hold")
        return self


class Clock(_Stated):
    """How far the times may be believed."""

    source: Line
    largest_offset_us: int | None = Field(description="microseconds; null: not known")
    steps: Count


class Database(_Stated):
    """A file that the source's network, country or mark was looked up in."""

    kind: Literal["asn", "geo", "marks"]
    name: Line
    built: Moment | None = Field(description="when its maker built it; null: it does not say")
    sha256: Sha256


class Contents(_Stated):
    """What the maker of a publication says about it."""

    kind: Kind
    date: date
    order: Name
    partner: Name
    supplement: Count = Field(
        description="0 for the day itself; its supplements and withdrawals count on from there"
    )
    complete: bool = Field(description="every expected sensor had sealed the day")
    sensors: tuple[Line, ...] = Field(description="the sensors expected")
    missing_sensors: tuple[Line, ...]
    files: tuple[File, ...]
    records: dict[Line, tuple[tuple[Count, Count], ...]] = Field(
        description="by stream: first and last record of each range of segments that this was made from"
    )
    checkins: CheckIns | None = Field(description="the first equation; null where it was not counted")
    rows: Rows
    kernel_dropped: dict[Literal["tcp", "udp"], Count]
    clock: Clock
    databases: tuple[Database, ...]
    version: Line = Field(description="the collector's version")
    revision: Line = Field(description="the revision that it was built from; empty: not known")
    tlp: Tlp
    purpose: Line
    retention_days: Count = Field(
        description="days after `published` for which copies are kept; then they go"
    )
    withdraws: tuple[FileName, ...] = Field(
        default=(), description="earlier files that lose rows by this, or are replaced"
    )
    withdrawals: tuple[Sha256, ...] = Field(
        default=(),
        description="what was withdrawn of the day, and is left out or taken back by this: hashes of the audit log",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = [file.name for file in self.files]
        if len(set(names)) != len(names) or set(names) & set(OWN_NAMES):
            raise ValueError("two files of one name")
        if self.complete != (not self.missing_sensors) or not set(self.missing_sensors) <= set(self.sensors):
            raise ValueError("complete, sensors and missing_sensors contradict one another")
        for ranges in self.records.values():
            if any(last < first for first, last in ranges) or any(
                later[0] <= earlier[1] for earlier, later in pairwise(ranges)
            ):
                raise ValueError("record ranges that are not in order")
        return self


class Manifest(Contents):
    """The whole manifest."""

    manifest_version: Literal[1]
    sequence: Annotated[int, Field(ge=1, le=SEQUENCE_MAX)]
    previous_sha256: Sha256 | None = Field(description="of the manifest before this one; null for the first")
    published: Moment
    key: Annotated[str, Field(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")] = Field(
        description="the signing key's fingerprint as ssh-keygen -l prints it"
    )
    audit_checkpoint: Annotated[str, Field(max_length=16_384)] = Field(
        description="the audit log's state then: a signed note (C2SP tlog-checkpoint)"
    )

    @model_validator(mode="after")
    def _follows(self) -> Self:
        if (self.sequence == 1) != (self.previous_sha256 is None):
            raise ValueError("the first manifest, and no other, has none before it")
        try:
            _ = self.kept_until
        except OverflowError:
            raise ValueError("retention_days that end after the year 9999") from None
        return self

    @property
    def kept_until(self) -> date:
        """The last day on which copies are kept (UTC)."""
        return date.fromisoformat(self.published[:10]) + timedelta(days=self.retention_days)


def render(manifest: Manifest) -> bytes:
    """The bytes of `manifest.json`."""
    text = json.dumps(manifest.model_dump(mode="json"), sort_keys=True, ensure_ascii=True, indent=2)
    return text.encode("ascii") + b"\n"


def parse(content: bytes, path: str = MANIFEST) -> Manifest:
    """Read `manifest.json`, in its one form only. Raises CorruptError, which quotes nothing of it."""
    if len(content) > MANIFEST_MAX:
        raise _corrupt(path, "the file", f"{len(content)} bytes, expected at most {MANIFEST_MAX}")
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"][:4]) or "the file"
        place = place if place.isascii() and place.isprintable() else "a field"
        raise _corrupt(path, place[:200], first["type"] + ": " + _said(first)) from None
    if render(manifest) != content:
        raise _corrupt(path, "the file", "not in the one form that a manifest has")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """A publication's manifest. Raises CorruptError, OSError."""
    return parse(manifest_bytes(folder), str(folder / MANIFEST))


def manifest_bytes(folder: Path) -> bytes:
    """The bytes of a publication's manifest, as far as one is read. Raises OSError."""
    with (folder / MANIFEST).open("rb") as file:
        return file.read(MANIFEST_MAX + 1)


def sums(manifest: Manifest, content: bytes) -> bytes:
    """The bytes of SHA256SUMS; `content` are those of the manifest."""
    lines = [(file.name, file.sha256) for file in manifest.files]
    lines.append((MANIFEST, hashlib.sha256(content).hexdigest()))
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(lines)).encode("ascii")


def schema() -> dict[str, Any]:
    """The JSON Schema of a manifest."""
    return Manifest.model_json_schema()


def _said(details: Any) -> str:
    # pydantic's words quote a context of literals and limits that are ours; never the input.
    return str(details["msg"]) if details["type"] != "json_invalid" else "no JSON"


def _corrupt(path: str, place: str, cause: str) -> CorruptError:
    return CorruptError("read manifest", path, place, cause, REMEDY)
