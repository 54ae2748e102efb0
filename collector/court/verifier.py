#!/usr/bin/env python3
"""Checks a return to the court. Needs Python 3.8 or newer and nothing else: no network, no package, nothing of ours.

    python3 -I -S verify.py [BUNDLE] [--key KEY] [--partner-checkpoint FILE]

BUNDLE is the .tar that was received, or the folder that it unpacks to (default: the folder of this program). What is checked:

    files        SHA256SUMS names every file; none is missing, none is there beside it, each has its SHA-256
    log          the entries, and the hashes of those that concern another court's order, give the root that was signed
                 (Merkle tree of RFC 6962); entries are numbered without a gap
    signature    the checkpoint of the log, and another one over SHA256SUMS, are signed by one key (Ed25519, RFC 8032)
    texts        each configuration that an entry names is here, under its SHA-256
    collected    collected.json agrees with the files, with the markers that sealed each day, with the deletions in the log, and
                 its sums with those of record.json

A key that came with the bundle shows only that all parts belong together. To know whose they are, get the key from the
collector's operator by another way and give it with --key; or give a checkpoint of the same log that somebody else
received (each partner's manifest has one) with --partner-checkpoint.

Exit code: 0 everything holds; 1 something does not; 2 it could not be checked.
"""

# ruff: noqa: UP031, UP032 - plain formats read the same in every Python
from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, Any

SUMS, SEAL = "SHA256SUMS", "SHA256SUMS.checkpoint"
LOG, CHECKPOINT, VKEY = "audit/log.jsonl", "audit/checkpoint", "audit/vkey"
TILE_WIDTH = 256
SEAL_LINE = "sha256sums "
PIECE = 1 << 20


class Flaw(Exception):  # noqa: N818 - what a check finds, not an error of the program
    """Something that does not hold; its text says what."""


# --- Ed25519, RFC 8032 section 5.1: verification only ---------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
# Points are in extended homogeneous coordinates (X, Y, Z, T): x = X/Z, y = Y/Z, xy = T/Z.


def add_points(a: Any, b: Any) -> Any:
    """The sum of two points."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % P, k * m % P, j * k % P, i * m % P


def multiply_point(factor: int, point: Any) -> Any:
    """`factor` times a point."""
    total: Any = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = add_points(total, point)
        point = add_points(point, point)
        factor >>= 1
    return total


def decode_point(content: bytes) -> Any:
    """The point that 32 bytes stand for; None for bytes that stand for none, or for one in another form."""
    number = int.from_bytes(content, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (not x and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def encode_point(point: Any) -> bytes:
    """The 32 bytes of a point."""
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return bytes((y | (x & 1) << 255).to_bytes(32, "little"))


BASE = decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is that of `public` over `message`."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key = decode_point(public)
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or scalar >= L:
        return False
    hashed = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(hashed, "little") % L
    minus_key = (P - key[0], key[1], key[2], P - key[3])
    expected = add_points(multiply_point(scalar, BASE), multiply_point(challenge, minus_key))
    return encode_point(expected) == signature[:32]


# --- Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) -----------------------------------------------------


def unbase64(text: str, what: str) -> bytes:
    """Base64 in its one form."""
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise Flaw(what + " is not base64") from None
    if base64.b64encode(content).decode("ascii") != text:
        raise Flaw(what + " is not in base64's one form")
    return content


class Key:
    """A verifier key: <name>+<key id>+<base64 of type and public key>."""

    def __init__(self, text: str) -> None:
        """Read it. Raises Flaw."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        key = unbase64(encoded, "the verifier key")
        if len(key) != 33 or key[0] != 1 or not re.fullmatch(r"[^\s+]+", name):
            raise Flaw("a verifier key is <name>+<key id>+<base64>, for an Ed25519 key")
        self.name, self.public, self.text = name, key[1:], text.strip()
        self.key_id = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
        if self.key_id.hex() != key_id:
            raise Flaw("the verifier key's id does not belong to its name and key")

    def open(self, note: bytes, what: str, *, only: bool) -> str:
        """The text of a note that this key signed; `only`: and nobody else. Raises Flaw."""
        try:
            text, empty, lines = note.decode("utf-8").rpartition("\n\n")
        except UnicodeDecodeError:
            raise Flaw(what + " is not UTF-8") from None
        if not empty or not lines.endswith("\n"):
            raise Flaw(what + " has no signature")
        text += "\n"
        found = 0
        signatures = lines[:-1].split("\n")
        for line in signatures:
            match = re.fullmatch("\u2014 ([^\\s+]+) ([A-Za-z0-9+/]+=*)", line)
            if not match:
                raise Flaw(what + " has a line that is no signature")
            signature = unbase64(match.group(2), "a signature of " + what)
            if match.group(1) != self.name or signature[:4] != self.key_id:
                continue
            if not ed25519_verify(self.public, signature[4:], text.encode("utf-8")):
                raise Flaw("the signature of " + what + " does not verify")
            found += 1
        if found != 1 or (only and len(signatures) != 1):
            raise Flaw(what + " is not signed once by " + self.text)
        return text


def parse_checkpoint(text: str, what: str) -> tuple[str, int, bytes, list[str]]:
    """(origin, entries, root, further lines). Raises Flaw."""
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        raise Flaw(what + " is not origin, number of entries and root")
    return lines[0], int(lines[1]), unbase64(lines[2], "the root of " + what), lines[3:-1]


# --- Merkle tree (RFC 6962) and its tiles (C2SP tlog-tiles) ---------------------------------------------------------------


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def root_of(leaves: list[bytes]) -> bytes:
    """The root over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    subtrees: list[bytes] = []
    for number, leaf in enumerate(leaves):
        joined, count = leaf, number
        while count & 1:
            joined = hashlib.sha256(b"\x01" + subtrees.pop() + joined).digest()
            count >>= 1
        subtrees.append(joined)
    joined = subtrees.pop()
    while subtrees:
        joined = hashlib.sha256(b"\x01" + subtrees.pop() + joined).digest()
    return joined


def tiles_of(leaves: list[bytes], lines: list[bytes] | None) -> Iterator[tuple[str, bytes]]:
    """All tiles of a log: (path, content); with entry bundles where no entry is withheld."""
    for start in range(0, len(lines or []), TILE_WIDTH):
        held = (lines or [])[start : start + TILE_WIDTH]
        content = b"".join(len(line).to_bytes(2, "big") + line for line in held)
        yield tile_path("entries", start // TILE_WIDTH, len(held)), content
    level, hashes = 0, leaves
    while hashes:
        above = []
        for start in range(0, len(hashes), TILE_WIDTH):
            held = hashes[start : start + TILE_WIDTH]
            yield tile_path(str(level), start // TILE_WIDTH, len(held)), b"".join(held)
            if len(held) == TILE_WIDTH:
                above.append(root_of(held))
        level, hashes = level + 1, above


def tile_path(level: str, number: int, width: int) -> str:
    """Where a tile stands."""
    groups = ["%03d" % (number % 1000)]
    while number >= 1000:
        number //= 1000
        groups.insert(0, "x%03d" % (number % 1000))
    partial = ".p/%d" % width if width != TILE_WIDTH else ""
    return "audit/tile/" + level + "/" + "/".join(groups) + partial


# --- The bundle: a folder or a tar ----------------------------------------------------------------------------------------


class Folder:
    """An unpacked bundle."""

    def __init__(self, path: str) -> None:
        self.path, self.title = path, path

    def names(self) -> list[str]:
        """Every file, as a path below the folder. Raises Flaw for what is neither file nor folder."""
        found = []
        for place, folders, names in os.walk(self.path):
            for name in folders + names:
                path = os.path.join(place, name)
                if os.path.islink(path) or not (os.path.isfile(path) or os.path.isdir(path)):
                    raise Flaw(os.path.relpath(path, self.path) + " is neither a file nor a folder")
            found += [os.path.relpath(os.path.join(place, name), self.path) for name in names]
        return [name.replace(os.sep, "/") for name in found]

    def open(self, name: str) -> IO[bytes]:
        """A file's content."""
        return open(os.path.join(self.path, *name.split("/")), "rb")


class Tar:
    """A bundle as it was received."""

    def __init__(self, path: str) -> None:
        self.title = path
        self.tar = tarfile.open(path, "r:")  # noqa: SIM115 - open as long as the program runs
        self.members: dict[str, tarfile.TarInfo] = {}
        self.flaw = ""
        tops = set()
        for member in self.tar:
            top, _, name = member.name.partition("/")
            tops.add(top)
            if not member.isreg() or not name or ".." in member.name.split("/") or name in self.members:
                self.flaw = ascii(member.name) + " is no plain file, or is there twice"
            self.members[name] = member
        if len(tops) != 1:
            self.flaw = "the archive has not one top folder"

    def names(self) -> list[str]:
        """Every file, as a path below the top folder. Raises Flaw for anything but plain files."""
        if self.flaw:
            raise Flaw(self.flaw)
        return list(self.members)

    def open(self, name: str) -> IO[bytes]:
        """A file's content."""
        file = self.tar.extractfile(self.members[name])
        if file is None:
            raise Flaw(name + " is not a file")
        return file


def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys are all different."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Flaw("a JSON object has a key twice")
    return made


class Checker:
    """Every check, and what it found."""

    def __init__(self, bundle: Any, key: Key | None, partner: bytes | None) -> None:
        self.bundle, self.pinned, self.partner = bundle, key, partner
        self.key = key
        self.flaws: list[str] = []
        self.sums: dict[str, str] = {}
        self.leaves: list[bytes] = []
        self.lines: list[bytes] = []
        self.entries: dict[int, dict[str, Any]] = {}
        self.withheld: set[int] = set()
        self.unseen = 0
        self.unknown = ""

    def run(self) -> int:
        """All checks in turn; the exit code."""
        checks: list[tuple[str, Callable[[], str]]] = [
            ("files", self.check_files),
            ("key", self.check_key),
            ("log", self.check_log),
            ("signature", self.check_seal),
            ("tiles", self.check_tiles),
            ("texts", self.check_texts),
            ("collected", self.check_collected),
            ("sums", self.check_sums),
        ]
        if self.partner is not None:
            checks.append(("partner", self.check_partner))
        print("Checking {}".format(self.bundle.title))
        for name, check in checks:
            self.attempt(name, check)
        return self.conclude()

    def attempt(self, name: str, check: Callable[[], str]) -> None:
        """One check; tell what came of it."""
        try:
            print("  ok    %-10s %s" % (name, check()))
        except Flaw as flaw:
            self.fail(name, str(flaw))
        except Exception as error:
            self.fail(name, "cannot be read ({}: {})".format(type(error).__name__, ascii(str(error))))

    def fail(self, name: str, words: str) -> None:
        """Tell what does not hold."""
        self.flaws.append(words)
        print("  FAIL  %-10s %s" % (name, words))

    def conclude(self) -> int:
        """The last lines."""
        if self.flaws:
            print(
                "DOES NOT HOLD: %d of the checks above failed. Keep this copy, and ask for another."
                % len(self.flaws)
            )
            return 1
        if self.unknown:
            print("NOT DECIDED: " + self.unknown)
            return 2
        if self.key and not self.pinned:
            print(
                "  note  The key came with this bundle: all parts belong together, but whose they are it cannot tell."
            )
            print(
                "        Compare this line with the operator's, got by another way (or give that with --key):"
            )
            print("        " + self.key.text)
        print("HOLDS: complete, closed and unchanged.")
        return 0

    def read(self, name: str) -> bytes:
        """A whole file."""
        with self.bundle.open(name) as file:
            content: bytes = file.read()
        return content

    def json(self, name: str) -> Any:
        """A JSON file."""
        return json.loads(self.read(name).decode("ascii"), object_pairs_hook=no_key_twice)

    def check_files(self) -> str:
        """The set is complete and closed, and nothing in it has changed."""
        content = self.read(SUMS).decode("ascii")
        if not content.endswith("\n"):
            raise Flaw(SUMS + " ends in the middle of a line")
        for line in content[:-1].split("\n"):
            match = re.fullmatch(r"([0-9a-f]{64})  ([A-Za-z0-9._=/-]+)", line)
            if not match or match.group(2) in self.sums:
                raise Flaw(SUMS + " has a line that is not a hash and a new name")
            self.sums[match.group(2)] = match.group(1)
        there = set(self.bundle.names()) - {SUMS, SEAL}
        missing, strange = sorted(set(self.sums) - there), sorted(there - set(self.sums))
        if missing:
            raise Flaw("%d file(s) missing, first %s" % (len(missing), ascii(missing[0])))
        if strange:
            raise Flaw("%d file(s) that do not belong here, first %s" % (len(strange), ascii(strange[0])))
        size = 0
        for number, (name, expected) in enumerate(sorted(self.sums.items())):
            digest = hashlib.sha256()
            with self.bundle.open(name) as file:
                for piece in iter(lambda: file.read(PIECE), b""):
                    digest.update(piece)
                    size += len(piece)
            if digest.hexdigest() != expected:
                raise Flaw(name + " is not what it was when the bundle was made")
            if sys.stderr.isatty():
                sys.stderr.write("\r  %d of %d files " % (number + 1, len(self.sums)))
        if sys.stderr.isatty():
            sys.stderr.write("\r" + " " * 40 + "\r")
        return "%d files, %d bytes, each with its SHA-256; none missing, none added" % (len(self.sums), size)

    def check_key(self) -> str:
        """The key in the bundle, against the one that was given."""
        enclosed = Key(self.read(VKEY).decode("ascii"))
        if self.pinned and self.pinned.text != enclosed.text:
            raise Flaw("the bundle names the key {}, not the one that was given".format(enclosed.text))
        self.key = self.key or enclosed
        return self.key.text + (" (as given)" if self.pinned else " (from the bundle)")

    def check_log(self) -> str:
        """Entries and withheld hashes give the signed root."""
        content = self.read(LOG)
        if content and not content.endswith(b"\n"):
            raise Flaw("the log ends in the middle of a line")
        for number, line in enumerate(content.split(b"\n")[:-1], 1):
            hidden = re.fullmatch(rb'\{"withheld":"([0-9a-f]{64})"\}', line)
            if hidden:
                self.withheld.add(number)
                self.leaves.append(bytes.fromhex(hidden.group(1).decode("ascii")))
                continue
            self.leaves.append(leaf_hash(line))
            self.lines.append(line)
            entry = json.loads(line.decode("ascii"), object_pairs_hook=no_key_twice)
            if entry["number"] != number or not isinstance(entry["event"], str):
                raise Flaw("line %d of the log is numbered %s" % (number, ascii(entry["number"])))
            self.entries[number] = entry
        if self.key is None:
            raise Flaw("there is no key to check the signature with")
        text = self.key.open(self.read(CHECKPOINT), CHECKPOINT, only=True)
        origin, size, root, _ = parse_checkpoint(text, CHECKPOINT)
        if origin != self.key.name:
            raise Flaw("the checkpoint is of another log than the key's")
        if size != len(self.leaves):
            raise Flaw("the log has %d entries, and %d were signed" % (len(self.leaves), size))
        if root != root_of(self.leaves):
            raise Flaw(
                "the log is not the one that was signed: an entry was changed, removed, added or moved"
            )
        withheld = len(self.withheld)
        told = ", %d of them of other courts' orders and only as hashes" % withheld if withheld else ""
        return "%d entries%s, as signed by %s" % (size, told, origin)

    def check_seal(self) -> str:
        """SHA256SUMS is signed together with the log's state."""
        if self.key is None:
            raise Flaw("there is no key to check the signature with")
        text = self.key.open(self.read(SEAL), SEAL, only=True)
        origin, size, root, more = parse_checkpoint(text, SEAL)
        digest = hashlib.sha256(self.read(SUMS)).hexdigest()
        if (origin, size, root) != (self.key.name, len(self.leaves), root_of(self.leaves)):
            raise Flaw(SEAL + " is of another log, or of another state of it")
        if more != [SEAL_LINE + digest]:
            raise Flaw(SUMS + " is not the one that was signed")
        return "the list of files was signed by the same key, over the same log"

    def check_tiles(self) -> str:
        """The tiles that other tools read say the same."""
        lines = self.lines if len(self.lines) == len(self.leaves) else None
        expected = dict(tiles_of(self.leaves, lines))
        there = {name for name in self.sums if name.startswith("audit/tile/")}
        if there != set(expected):
            raise Flaw("the tiles are not those of this log")
        for name, content in expected.items():
            if self.read(name) != content:
                raise Flaw(name + " does not follow from the log")
        return "%d tiles follow from the log" % len(expected)

    def check_texts(self) -> str:
        """Every configuration text that an entry names."""
        there = set()
        for name in self.sums:
            if name.startswith("configuration/"):
                there.add(name.split("/", 1)[1])
                if self.sums[name] != name.split("/", 1)[1]:
                    raise Flaw(name + " has another SHA-256 than its name")
        named = set()
        for entry in self.entries.values():
            if entry["event"] in ("started", "operation_loaded"):
                facts = [entry.get(fact) for fact in ("configuration", "schedules", "answer")]
                named |= set(re.findall(r'"([0-9a-f]{64})"', json.dumps(facts)))
        if named - there:
            raise Flaw("the configuration {} is named by an entry, and missing".format(min(named - there)))
        return "%d configuration texts, each under its SHA-256" % len(there)

    def check_collected(self) -> str:
        """collected.json against the files, the days' markers and the deletions in the log."""
        collected = self.json("collected.json")
        rows, listed, included = 0, {}, set()
        for file in collected["files"]:
            name = file["path"]
            if name in listed:
                raise Flaw(name + " is listed twice")
            listed[name] = file
            rows += file["rows_of_return"] or 0
            if file["state"] == "deleted":
                self.check_tombstone(name, file)
            copy = file["included"]
            if copy is None:
                continue
            included.add(copy["path"])
            if self.sums.get(copy["path"]) != copy["sha256"]:
                raise Flaw(copy["path"] + " is not here with the SHA-256 that collected.json gives")
            with self.bundle.open(copy["path"]) as content:
                if content.seek(0, 2) != copy["bytes"]:
                    raise Flaw(copy["path"] + " has another size than collected.json gives")
            if not copy["extract"] and (copy["sha256"], copy["bytes"]) != (file["sha256"], file["bytes"]):
                raise Flaw(copy["path"] + " should be the very file that was collected")
        markers = self.check_markers(collected["days"], listed)
        there = {name for name in self.sums if name.startswith("collected/")}
        if there != included | markers:
            raise Flaw("the files under collected/ are not those that collected.json lists")
        if rows != collected["rows_of_return"]:
            raise Flaw(
                "rows by file come to %d, collected.json says %d" % (rows, collected["rows_of_return"])
            )
        unseen = "; %d deleted by entries that are withheld" % self.unseen if self.unseen else ""
        return "%d files of %d days listed, %d of them here; %d rows%s" % (
            len(listed), len(collected["days"]), len(included), rows, unseen)  # fmt: skip

    def check_markers(self, days: list[Any], listed: dict[str, Any]) -> set[str]:
        """Each sealed day's marker names the same files with the same hashes."""
        markers = set()
        for day in days:
            named = set()
            for path in day["markers"]:
                markers.add(path)
                marker = self.json(path)
                if marker["day"] != day["day"]:
                    raise Flaw(path + " is the marker of another day")
                for segment in marker["segments"] + marker.get("quarantined", []):
                    name = "segments/date={}/{}".format(day["day"], segment["name"])
                    named.add(name)
                    file = listed.get(name)
                    if file is None or any(
                        file[fact] != segment[fact] for fact in ("sha256", "bytes", "rows")
                    ):
                        raise Flaw("{} is sealed in {}, and collected.json says otherwise".format(name, path))
            for name, file in listed.items():
                if file["day"] == day["day"] and file["sealed"] != (name in named):
                    raise Flaw(name + ": whether its day's marker names it is told wrongly")
        return markers

    def check_tombstone(self, name: str, file: Any) -> None:
        """A file said to be deleted has its entry in the log, which may be there as a hash only."""
        if file["entry"] in self.withheld:
            self.unseen += 1
            return
        entry = self.entries.get(file["entry"], {})
        for tombstone in entry.get("files", []) if entry.get("event") == "deleted" else []:
            if tombstone["name"] == name and tombstone.get("sha256", file["sha256"]) == file["sha256"]:
                return
        raise Flaw(name + " is said to be deleted, and no entry of the log says so")

    def check_sums(self) -> str:
        """The figures of record.json come to the same number of rows."""
        part = self.json("record.json")["iv_collected"]
        rows = self.json("collected.json")["rows_of_return"]
        if part["rows"] != rows:
            raise Flaw("record.json says %d rows, collected.json %d" % (part["rows"], rows))
        tables = [name for name in sorted(part) if name.startswith("by_")]
        for name in tables:
            total = sum(row["rows"] for row in part[name])
            if total != rows:
                raise Flaw("record.json, %s: %d rows, expected %d" % (name, total, rows))
        return "%d tables come to the same %d rows" % (len(tables), rows)

    def check_partner(self) -> str:
        """A checkpoint that somebody else received: the same log?"""
        assert self.partner is not None
        if self.key is None:
            raise Flaw("there is no key to check the signature with")
        text = self.key.open(self.partner, "the partner's checkpoint", only=False)
        origin, size, root, _ = parse_checkpoint(text, "the partner's checkpoint")
        if origin != self.key.name:
            raise Flaw("the partner's checkpoint is of another log: " + ascii(origin))
        if size > len(self.leaves):
            self.unknown = (
                "the partner's checkpoint is of %d entries, this log ends at %d. "
                "Take one that the partner received earlier." % (size, len(self.leaves))
            )
            return "signed by the same key, of a later state: nothing to compare"
        if root_of(self.leaves[:size]) != root:
            raise Flaw("the partner was shown another log: its first %d entries differ from these" % size)
        return "the first %d entries are those that the partner was shown" % size


def main() -> int:
    """The command line."""
    title, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=title, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "bundle", nargs="?", default=os.path.dirname(os.path.abspath(__file__)), metavar="BUNDLE"
    )
    parser.add_argument("--key", default="", help="the operator's verifier key, or a file with it")
    parser.add_argument(
        "--partner-checkpoint", default="", metavar="FILE", help="a checkpoint that a partner received"
    )
    chosen = parser.parse_args()
    try:
        bundle: Any = Folder(chosen.bundle) if os.path.isdir(chosen.bundle) else Tar(chosen.bundle)
        key = partner = None
        if chosen.key:
            text = chosen.key
            if os.path.exists(text):
                with open(text, encoding="ascii") as file:
                    text = file.read()
            key = Key(text)
        if chosen.partner_checkpoint:
            with open(chosen.partner_checkpoint, "rb") as note:
                partner = note.read()
    except (OSError, tarfile.TarError, ValueError, Flaw) as error:
        print("verify: {}".format(error), file=sys.stderr)
        return 2
    return Checker(bundle, key, partner).run()


if __name__ == "__main__":
    sys.exit(main())
