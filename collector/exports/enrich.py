"""What is known of an address: its network's number, its country, its mark. Looked up at export, never at intake.

    asn_db, geo_db   .mmdb files (MaxMind DB), of any maker: the number is at `autonomous_system_number` or `asn`, the country
                     at `country.iso_code`, `registered_country.iso_code` or `country_code`
    marks            CSV files `network,mark,source,as_of`: scanner, crawler, researcher, probe. The longest network wins, then
                     the list named first

An address is looked up once, however often it came; addresses are looked up in the order of networks, and one answer serves
all that follow in the same network: two million addresses take some 100,000 look-ups in databases of the Internet's size.
What a database does not know is null. A mark says what is believed of a source; it drops nothing.
"""

import csv
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_network
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb

from collector.exports.manifest import Database
from collector.ground.errors import ConfigurationError, CorruptError, Problem

MARKS = ("scanner", "crawler", "researcher", "probe")
MARKS_HEADER = ["network", "mark", "source", "as_of"]
IPV4_BITS_OFFSET = 96
"""An IPv4 network of n bits is one of n + 96 among IPv4-mapped addresses (RFC 4291 2.5.5.2)."""
IPV4_MAPPED = 0xFFFF << 32
IPV4_MAPPED_LAST = IPV4_MAPPED | 0xFFFF_FFFF
_COUNTRY = re.compile(r"[A-Z]{2}")
_REMEDY = "Nothing more is published with it: download the file again, or leave the setting empty"
_AS_NUMBER_MAX = (1 << 32) - 1


class Span(NamedTuple):
    """Consecutive addresses, as numbers of 128 bits (IPv4 mapped), both ends inclusive, and what is known of them."""

    first: int
    last: int
    value: Any


class Marked(NamedTuple):
    """A network of a marks file."""

    first: int
    last: int
    mark: str
    bits: int
    """The network's length: those around the IPv4-mapped addresses are cut there, and several may begin with the same span."""


Found = Callable[[int], tuple[Any, int]]
"""For an address, what is known of it, and the last address for which that is the answer too."""


class Enrichment(NamedTuple):
    """The look-ups that the settings ask for, and what the manifest says of their files. None, empty: none configured."""

    asn: Found | None
    geo: Found | None
    marks: tuple[Span, ...]
    databases: tuple[Database, ...]


NO_ENRICHMENT = Enrichment(None, None, (), ())


@contextmanager
def enrichment(asn_db: Path | None, geo_db: Path | None, marks: Sequence[Path]) -> Iterator[Enrichment]:
    """Open the databases for an export. Raises ConfigurationError."""
    problems: list[Problem] = []
    networks = [network for path in marks for network in read_marks(path, problems)]
    if problems:
        raise ConfigurationError(problems)
    databases = [described(kind, path) for kind, path in (("asn", asn_db), ("geo", geo_db)) if path]
    databases += [described("marks", path) for path in marks]
    with ExitStack() as stack:
        finds: list[Found | None] = []
        for path, read in ((asn_db, as_number), (geo_db, country)):
            finds.append(in_database(stack, path, read) if path else None)
        yield Enrichment(finds[0], finds[1], tuple(flattened(networks)), tuple(databases))


def spans_of(network: str) -> list[tuple[int, int]]:
    """First and last addresses of a network as numbers of 128 bits. Raises ValueError.

    Two spans for an IPv6 network so wide that IPv4-mapped addresses lie in it: "::/1" means no IPv4 address.
    """
    parsed = ip_network(network)
    first, last = int(parsed.network_address), int(parsed.broadcast_address)
    if parsed.version == 4:
        return [(first + IPV4_MAPPED, last + IPV4_MAPPED)]
    if first <= IPV4_MAPPED and last >= IPV4_MAPPED_LAST:
        return [
            (begins, ends)
            for begins, ends in ((first, IPV4_MAPPED - 1), (IPV4_MAPPED_LAST + 1, last))
            if begins <= ends
        ]
    return [(first, last)]


def in_database(stack: ExitStack, path: Path, read: Callable[[Any], Any]) -> Found:
    """A look-up in an .mmdb file, open as long as `stack`; `read` takes the value from what it holds.

    The look-up raises CorruptError where the file turns out to be damaged: opening it reads its end only.
    """
    reader = stack.enter_context(maxminddb.open_database(str(path), maxminddb.MODE_MMAP_EXT))
    only_ipv4 = reader.metadata().ip_version == 4

    def find(address: int) -> tuple[Any, int]:
        ipv4 = address >> 32 == 0xFFFF
        if only_ipv4 and not ipv4:
            return None, IPV4_MAPPED - 1 if address < IPV4_MAPPED else (1 << 128) - 1
        asked = str(IPv6Address(address)) if not ipv4 else _dotted(address)
        try:
            record, length = reader.get_with_prefix_len(asked)
        except (maxminddb.InvalidDatabaseError, ValueError):
            raise CorruptError("look up addresses", str(path), "its tree", "is damaged", _REMEDY) from None
        bits = (32 if ipv4 else 128) - length
        last = address | ((1 << max(bits, 0)) - 1)
        if address < IPV4_MAPPED:
            last = min(last, IPV4_MAPPED - 1)  # what is said of a wide IPv6 network is not said of IPv4
        return read(record) if record is not None else None, last

    return find


def as_number(record: Any) -> int | None:
    """The AS number of an .mmdb record."""
    if not isinstance(record, dict):
        return None
    for key in ("autonomous_system_number", "asn"):
        value = record.get(key)
        if isinstance(value, str):  # some makers write "AS64500"
            value = int(digits) if (digits := value.upper().removeprefix("AS")).isdecimal() else None
        if isinstance(value, int) and 0 < value <= _AS_NUMBER_MAX:
            return value
    return None


def country(record: Any) -> str | None:
    """The country of an .mmdb record: where it is, else where it is registered."""
    if not isinstance(record, dict):
        return None
    for key in ("country", "registered_country"):
        part = record.get(key)
        value = part.get("iso_code") if isinstance(part, dict) else part
        if isinstance(value, str) and _COUNTRY.fullmatch(value):
            return value
    value = record.get("country_code")
    return value if isinstance(value, str) and _COUNTRY.fullmatch(value) else None


def read_marks(path: Path, problems: list[Problem]) -> list[Marked]:
    """The networks of a marks file; what is wrong goes to `problems`."""
    found: list[Marked] = []
    name = str(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            if header != MARKS_HEADER:
                problems.append(_marks_problem(name, 1, "another header", ",".join(MARKS_HEADER)))
                return []
            for row in rows:
                if not row:
                    continue
                if len(row) != len(MARKS_HEADER):
                    problems.append(_marks_problem(name, rows.line_num, f"{len(row)} fields", "4 fields"))
                    continue
                network, mark, _, as_of = row
                if mark not in MARKS:
                    problems.append(_marks_problem(name, rows.line_num, "another mark", ", ".join(MARKS)))
                    continue
                try:
                    datetime.fromisoformat(as_of)
                    spans, bits = spans_of(network), ip_network(network).prefixlen
                except ValueError:
                    expected = 'a network as "192.0.2.0/24" and a date as "2026-11-01"'
                    problems.append(_marks_problem(name, rows.line_num, "something else", expected))
                    continue
                found += [Marked(first, last, mark, bits) for first, last in spans]
    except OSError as error:
        problems.append(
            Problem(name, "the file", error.strerror or "unreadable", "a CSV file", "correct [export] marks")
        )
    except (UnicodeDecodeError, csv.Error):
        problems.append(Problem(name, "the file", "no CSV in UTF-8", ",".join(MARKS_HEADER), "correct it"))
    return found


def flattened(networks: Iterable[Marked]) -> list[Span]:
    """Networks, which contain one another or have nothing in common, as spans that do not overlap: the narrowest counts."""
    first_named: dict[tuple[int, int], Marked] = {}
    for one in sorted(
        networks, key=lambda one: -one.bits
    ):  # stable: of equally long ones, the one named first
        first_named.setdefault((one.first, one.last), one)
    spans: list[Span] = []
    open_ones: list[Marked] = []  # each within the one before
    reached = 0  # what lies before is in `spans`, or in no network
    for one in sorted(first_named.values(), key=lambda one: (one.first, -one.last)):
        reached = _close(open_ones, one.first, reached, spans)
        if open_ones and reached < one.first:
            spans.append(Span(reached, one.first - 1, open_ones[-1].mark))
        open_ones.append(one)
        reached = one.first
    _close(open_ones, 1 << 128, reached, spans)
    return spans


def _close(open_ones: list[Marked], until: int, reached: int, spans: list[Span]) -> int:
    """End the networks that end before `until`; the first address not settled yet."""
    while open_ones and open_ones[-1].last < until:
        done = open_ones.pop()
        if reached <= done.last:
            spans.append(Span(reached, done.last, done.mark))
            reached = done.last + 1
    return max(reached, 0)


def described(kind: Any, path: Path) -> Database:
    """What the manifest says of a database file. Raises ConfigurationError."""
    built: str | None = None
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if kind == "marks":
            built = _newest(path)
        else:
            with maxminddb.open_database(str(path), maxminddb.MODE_MMAP_EXT) as reader:
                epoch = reader.metadata().build_epoch
            built = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if epoch else None
    except (OSError, maxminddb.InvalidDatabaseError, OverflowError, ValueError) as error:
        raise ConfigurationError([_unreadable(kind, path, error)]) from None
    return Database(kind=kind, name=path.name, built=built, sha256=digest)


def database_problems(asn_db: Path | None, geo_db: Path | None, marks: Sequence[Path]) -> list[Problem]:
    """What is wrong with the files that the settings name."""
    problems: list[Problem] = []
    for kind, path in (("asn", asn_db), ("geo", geo_db)):
        if path is not None:
            try:
                described(kind, path)
            except ConfigurationError as error:
                problems += error.problems
    for path in marks:
        read_marks(path, problems)
    return problems


def _newest(path: Path) -> str | None:
    """The newest `as_of` of a marks file, which is the day it speaks of."""
    with path.open(encoding="utf-8", newline="") as file:
        moments = [
            datetime.fromisoformat(row["as_of"]).replace(tzinfo=UTC)
            for row in csv.DictReader(file)
            if row.get("as_of")
        ]
    return max(moments).strftime("%Y-%m-%dT%H:%M:%SZ") if moments else None


def _dotted(address: int) -> str:
    return ".".join(str(octet) for octet in (address & 0xFFFF_FFFF).to_bytes(4, "big"))


def _marks_problem(name: str, line: int, found: str, expected: str) -> Problem:
    return Problem(name, f"line {line}", found, expected, "correct or remove the line")


def _unreadable(kind: str, path: Path, error: Exception) -> Problem:
    found = error.strerror if isinstance(error, OSError) else "no MaxMind DB"
    expected = "an .mmdb file" if kind != "marks" else "a CSV file"
    return Problem(
        str(path), f"[export] {kind}", found or "unreadable", expected, "correct the path, or leave it empty"
    )
