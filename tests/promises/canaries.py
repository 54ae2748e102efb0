"""Canaries: random words put into every zone of content that a machine can send, and the search for them afterwards.

A word is 24 characters of [a-z0-9], so that it can stand in a host name too. It is looked for in two halves (what was
cut short is found all the same), plain and in every encoding under which it might have been kept, and the values in
which it stood are looked for by their hashes. Nothing may be found: not in a file, its name or its extended attributes,
not in a decoded Parquet column, a record's number, a log line, a metric or an answer.
"""

import base64
import contextlib
import gzip
import hashlib
import os
import random
import re
import string
import zlib
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pyarrow.parquet as pq

from collector.ground.record import RECORD
from collector.journal.format import BLOCK_MAGIC, BLOCK_SIZE

LENGTH = 24
HALF = LENGTH // 2
SHORTEST = 8
"""Bytes of the shortest thing that is looked for: what is shorter would be found by chance."""
_ALPHABET = string.ascii_lowercase + string.digits
_HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s", "sha3_256")


def _base64(piece: bytes, encode=base64.b64encode) -> Iterator[bytes]:
    """What of the piece's base64 is the same whatever stands around it, at each of the three alignments."""
    for before in range(3):
        text = encode(bytes(before) + piece + bytes(3))
        yield text[-(-before * 8 // 6) : (before + len(piece)) * 8 // 6]


def encodings(piece: bytes) -> dict[bytes, str]:
    """Every form of a piece that is looked for, with the form's name."""
    percent = "".join(f"%{byte:02x}" for byte in piece)
    forms = {
        piece: "plain",
        piece.upper(): "upper case",
        piece[::-1]: "reversed",
        piece.hex().encode(): "hex",
        piece.hex().upper().encode(): "hex",
        piece.hex(" ").encode(): "hex with blanks",
        piece.hex(":").encode(): "hex with colons",
        piece[::-1].hex().encode(): "hex, reversed",
        percent.encode(): "percent",
        percent.upper().encode(): "percent",
        piece.decode().encode("utf-16-le"): "UTF-16",
        piece.decode().encode("utf-16-be"): "UTF-16",
        piece.decode().encode("utf-32-le"): "UTF-32",
        ", ".join(map(str, piece)).encode(): "list of numbers",
        str(int.from_bytes(piece)).encode(): "number",
        str(int.from_bytes(piece, "little")).encode(): "number",
        piece.translate(
            bytes.maketrans(_ALPHABET[:26].encode(), (_ALPHABET[13:26] + _ALPHABET[:13]).encode())
        ): "rot13",
        base64.b32encode(piece[:10]).rstrip(b"="): "base32",
        base64.b85encode(piece): "base85",
    }
    for text in (*_base64(piece), *_base64(piece, base64.urlsafe_b64encode)):
        forms[text] = "base64"
    for text in _base64(piece[::-1]):
        forms[text] = "base64, reversed"
    return forms


def _fingerprints(value: bytes) -> tuple[dict[bytes, str], dict[int, str]]:
    """Hashes of a value as text and bytes, and as the numbers that a fixed-width field could hold."""
    texts: dict[bytes, str] = {}
    numbers: dict[int, str] = {}
    for name in _HASHES:
        digest = hashlib.new(name, value).digest()
        # A hash is found by its beginning too: half of it is kept as often as all of it.
        texts[digest[:8]] = name
        texts[digest[:8].hex().encode()] = texts[digest[:8].hex().upper().encode()] = f"{name} in hex"
        texts[base64.b64encode(digest)[:12]] = f"{name} in base64"
        for size in (4, 8):
            for order in ("little", "big"):
                for piece in (digest[:size], digest[-size:]):
                    numbers[int.from_bytes(piece, order)] = f"{name} as a number"
    for name, number in (("crc32", zlib.crc32(value)), ("adler32", zlib.adler32(value))):
        numbers[number] = name
        texts[f"{number:08x}".encode()] = f"{name} in hex"
    for number, name in list(numbers.items()):
        if number > 1 << 28:
            texts[str(number).encode()] = name
    return texts, numbers


class Canaries:
    """The words of one run, by zone, and where they were found."""

    def __init__(self, seed: int) -> None:
        self.zones: dict[str, str] = {}
        self._dice = random.Random(seed)
        self._needles: dict[bytes, str] = {}
        self._beginnings: dict[bytes, set[bytes]] = {}
        self._numbers: dict[int, str] = {}

    def word(self, zone: str) -> bytes:
        """A fresh word for a zone; its two halves will be looked for in every encoding."""
        text = "".join(self._dice.choices(_ALPHABET, k=LENGTH))
        self.zones[zone] = text
        for half in (text[:HALF], text[HALF:]):
            self._add(encodings(half.encode()), zone)
        self.value(zone, text.encode())
        return text.encode()

    def _add(self, forms: dict[bytes, str], zone: str) -> None:
        for form, name in forms.items():
            assert len(form) >= SHORTEST
            self._needles[form] = f"{zone}: {name}"
            self._beginnings.setdefault(form[:SHORTEST], set()).add(form)

    def value(self, zone: str, value: bytes) -> bytes:
        """A value with a word in it, which must not be found by its hash either. Returns it."""
        for spelling in {value, value.strip(), value.lower()}:
            texts, numbers = _fingerprints(spelling)
            self._add(texts, zone)
            self._numbers |= {number: f"{zone}: {name}" for number, name in numbers.items()}
        return value

    def hits(self, content: bytes, place: str) -> list[str]:
        """What of us stands in these bytes, in plain view or compressed within them."""
        found = self._look(content, place)
        for inner in _compressed(content):
            found += self._look(inner, f"{place}, compressed")
        return found

    def _look(self, content: bytes, place: str) -> list[str]:
        beginnings = self._beginnings
        seen = {
            needle
            for at in range(len(content) - SHORTEST + 1)
            if (beginning := content[at : at + SHORTEST]) in beginnings
            for needle in beginnings[beginning]
            if content.startswith(needle, at)
        }
        return sorted(f"{place}: {self._needles[needle]}" for needle in seen)

    def number_hits(self, numbers: Iterable[int], place: str) -> list[str]:
        """Which of these numbers is a hash of ours."""
        return [f"{place}: {self._numbers[number]}" for number in set(numbers) & self._numbers.keys()]

    def search(self, folder: Path) -> list[str]:
        """Look through everything under a folder: names, attributes, content, records, Parquet."""
        found = []
        for path in sorted(folder.rglob("*")):
            place = str(path.relative_to(folder))
            found += self.hits(place.encode("utf-8", "surrogateescape"), f"the name {place}")
            for attribute in os.listxattr(path):
                found += self.hits(attribute.encode() + os.getxattr(path, attribute), f"{place} (attribute)")
            if not path.is_file():
                continue
            content = path.read_bytes()
            found += self.hits(content, place)
            for field, numbers in _numbers_in_blocks(content).items():
                found += self.number_hits(numbers, f"{place}, field {field}")
            if content[:4] == b"PAR1":
                found += self._search_parquet(path, place)
        return found

    def _search_parquet(self, path: Path, place: str) -> list[str]:
        found = []
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        metadata = dict(file.metadata.metadata or {}) | dict(schema.metadata or {})
        found += self.hits(repr(metadata).encode(), f"{place}, metadata")
        found += self.hits(b"\n".join([*metadata, *metadata.values()]), f"{place}, metadata")
        table = file.read()
        for name in table.column_names:
            values = table.column(name).to_pylist()
            if name.endswith("_ip"):  # sixteen characters of content would make an IPv6 address
                values += [ip_address(value).packed for value in set(values)]
            found += self.hits(name.encode(), f"{place}, the name of a column")
            text = "\n".join(str(value) for value in values)
            found += self.hits(text.encode(), f"{place}, column {name}")
            raw = b"\n".join(value for value in values if isinstance(value, bytes))
            found += self.hits(raw, f"{place}, column {name}")
            found += self.number_hits(
                (value for value in values if isinstance(value, int)), f"{place}, column {name}"
            )
        return found


def _numbers_in_blocks(content: bytes) -> dict[str, list[int]]:
    """The integers of all records in journal blocks, verified or not, by field."""
    from collector.ground.record import FIELDS

    found: dict[str, list[int]] = {}
    at = content.find(BLOCK_MAGIC)
    while at >= 0:
        count = int.from_bytes(content[at + 4 : at + 8], "little")
        for number in range(min(count, (len(content) - at - BLOCK_SIZE) // RECORD.size)):
            values = RECORD.unpack_from(content, at + BLOCK_SIZE + number * RECORD.size)
            for field, value in zip(FIELDS, values, strict=True):
                found.setdefault(field.name, []).append(
                    value if isinstance(value, int) else int.from_bytes(value[:8])
                )
        at = content.find(BLOCK_MAGIC, at + 1)
    return found


_COMPRESSED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|BZh[1-9]|\xfd7zXZ\x00|\x28\xb5\x2f\xfd")


def _compressed(content: bytes) -> Iterator[bytes]:
    """Whatever gzip, zlib, bzip2, xz or zstd streams stand in the bytes, plain; base64 and hex of such streams too."""
    import bz2
    import lzma

    import pyarrow as pa

    layers = [content]
    for text in re.findall(rb"[A-Za-z0-9+/]{24,}={0,2}", content):
        with contextlib.suppress(ValueError):
            layers.append(base64.b64decode(text + b"=" * (-len(text) % 4)))
    layers += [bytes.fromhex(text.decode()) for text in re.findall(rb"(?:[0-9a-f]{2}){16,}", content)]
    for layer in layers:
        for match in _COMPRESSED.finditer(layer):
            piece = layer[match.start() :]
            with contextlib.suppress(zlib.error, OSError, ValueError, lzma.LZMAError, EOFError):
                if piece[0] == 0x1F:
                    yield zlib.decompressobj(31).decompress(piece)
                elif piece[0] == 0x78:
                    yield zlib.decompressobj().decompress(piece)
                elif piece[0] == 0x42:
                    yield bz2.BZ2Decompressor().decompress(piece)
                elif piece[0] == 0xFD:
                    yield lzma.LZMADecompressor().decompress(piece)
                else:
                    with pa.CompressedInputStream(pa.BufferReader(piece), "zstd") as stream:
                        yield stream.read(1 << 20)


def every_form(value: bytes) -> list[bytes]:
    """A few encodings of a value, to be sent: a collector that decodes what it gets must not keep that either."""
    return [
        value,
        base64.b64encode(value),
        value.hex().encode(),
        "".join(f"%{byte:02X}" for byte in value).encode(),
        value.decode().encode("utf-16-le"),
        gzip.compress(value),
        zlib.compress(value),
    ]
