"""Which addresses were recorded in the last day, for the status page: distinct ones, by family and by country.

A machine checks in every few minutes, so counts cannot be added up; who was there has to be known. One sorted table has a row
for each address and family seen in the last day:

    key    u64   44 bits of a hash of the address · 10 bits: its country · 10 bits: the family
    seen   u32   the last minute in which it was there, since 1970

Rows of one address lie together, so that one pass counts both. Reading a segment twice changes nothing, in any order; so the
segments that stand are the only state, and after a restart they are read again. Nothing of this is written anywhere. Of the
addresses only the hash stays, keyed anew in each process (Python's own SipHash); two of 2,000,000 share one with a chance of
one in nine, and then one address is missing in the count.

Measured: two million rows are 24 MB; a segment of 51,000 check-ins takes 40 ms, counting two million rows 60 ms.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import maxminddb
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from collector.exports.enrich import country
from collector.exports.victims import Victims, ranked, rounded

ROWS_MAX = 4_000_000
"""48 MB. Whoever forges sources of datagrams could fill any memory; beyond this the page says "at least"."""
BATCH_ROWS = 1 << 16
MINUTE_US = 60_000_000
DAY_MINUTES = 24 * 60
_LABEL_BITS = 10
_LABELS = 1 << _LABEL_BITS
_ADDRESS_SHIFT = 2 * _LABEL_BITS
_OTHERS = "other families"
_MINUTE = np.dtype("<u4")

Numbers = npt.NDArray[Any]


class Presence:
    """One thread takes and counts. `geo_db` None: countries are not asked for."""

    def __init__(self, geo_db: Path | None) -> None:
        """Raises OSError, ValueError where the database cannot be read."""
        self._stack = ExitStack()
        self._country: Callable[[str], int] | None = None
        if geo_db is not None:
            reader = self._stack.enter_context(maxminddb.open_database(str(geo_db), maxminddb.MODE_MMAP_EXT))
            only_ipv4 = reader.metadata().ip_version == 4
            self._country = lambda text: (
                0 if only_ipv4 and ":" in text else _number(country(reader.get(text)))
            )
        self._keys = np.empty(0, np.uint64)
        self._seen = np.empty(0, _MINUTE)
        self._families: dict[str, int] = {}
        self._oldest: int | None = None
        self._full = False

    def take(self, segment: Path) -> None:
        """Who is in a segment. Raises OSError, ValueError where it cannot be read."""
        columns = ["timestamp", "src_ip", "family"]
        with pq.ParquetFile(segment) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                times, addresses, families = (batch.column(name) for name in columns)
                addresses, families = addresses.dictionary_encode(), families.dictionary_encode()
                numbers = [self._family(name) for name in families.dictionary.to_pylist()]
                self._add(
                    times.cast("int64").to_numpy() // MINUTE_US,
                    addresses.dictionary.to_pylist(),
                    addresses.indices.to_numpy(),
                    np.array(numbers, np.uint64)[families.indices.to_numpy()],
                )

    def victims(self, now_us: int) -> Victims:
        """Those of the last day; what is older is forgotten."""
        self._forget(now_us // MINUTE_US)
        low = (self._keys & np.uint64((1 << _ADDRESS_SHIFT) - 1)).astype(np.int64)
        both = np.bincount(low, minlength=_LABELS * _LABELS).reshape(_LABELS, _LABELS)
        addresses = self._keys >> np.uint64(_ADDRESS_SHIFT)
        again = np.flatnonzero(addresses[1:] == addresses[:-1]) + 1  # another family of the same address
        by_country = both.sum(axis=1) - np.bincount(low[again] >> _LABEL_BITS, minlength=_LABELS)
        by_family = both.sum(axis=0)
        since = now_us // MINUTE_US - DAY_MINUTES
        if self._oldest is not None:
            since = max(since, self._oldest)
        return Victims(
            since=since * MINUTE_US / 1e6,
            addresses=rounded(len(self._keys) - len(again)),
            at_least=self._full,
            families=ranked({name: int(by_family[number]) for name, number in self._families.items()}),
            countries=ranked(
                {_code(int(number)): int(by_country[number]) for number in np.flatnonzero(by_country)}
            )
            if self._country
            else None,
        )

    def close(self) -> None:
        """Give the database back."""
        self._stack.close()

    def _add(self, minutes: Numbers, texts: list[str], codes: Numbers, families: Numbers) -> None:
        mask = (1 << 64 - _ADDRESS_SHIFT) - 1
        hashes = np.array([hash(text) & mask for text in texts], np.uint64) << np.uint64(_ADDRESS_SHIFT)
        found = self._with_countries(hashes, texts)
        keys = found[codes] | families
        order = np.argsort(keys, kind="stable")
        keys, minutes = keys[order], minutes[order]
        begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else order
        if not len(begins):
            return
        self._merge(keys[begins], np.maximum.reduceat(minutes, begins).astype(_MINUTE))
        oldest = int(minutes.min())
        self._oldest = oldest if self._oldest is None else min(self._oldest, oldest)

    def _with_countries(self, hashes: Numbers, texts: list[str]) -> Numbers:
        """The part of the keys that follows from the address; the database is asked for those that are new."""
        if self._country is None:
            return hashes
        places = np.searchsorted(self._keys, hashes)
        labels = np.uint64((_LABELS - 1) << _LABEL_BITS)
        known = np.zeros(len(hashes), np.bool_)
        countries = np.zeros(len(hashes), np.uint64)
        if len(self._keys):
            there = self._keys[np.minimum(places, len(self._keys) - 1)]
            known = there >> np.uint64(_ADDRESS_SHIFT) == hashes >> np.uint64(_ADDRESS_SHIFT)
            countries[known] = there[known] & labels
        for place in np.flatnonzero(~known):
            countries[place] = self._country(texts[place]) << _LABEL_BITS
        return hashes | countries

    def _merge(self, keys: Numbers, minutes: Numbers) -> None:
        places = np.searchsorted(self._keys, keys)
        known = np.zeros(len(keys), np.bool_)
        if len(self._keys):
            known = self._keys[np.minimum(places, len(self._keys) - 1)] == keys
        at = places[known]
        self._seen[at] = np.maximum(self._seen[at], minutes[known])
        fresh = np.flatnonzero(~known)[: max(0, ROWS_MAX - len(self._keys))]
        self._full |= len(fresh) < len(known) - int(known.sum())
        if len(fresh):
            self._keys = np.insert(self._keys, places[fresh], keys[fresh])
            self._seen = np.insert(self._seen, places[fresh], minutes[fresh])

    def _forget(self, minute: int) -> None:
        stays = self._seen > minute - DAY_MINUTES
        if not stays.all():
            self._keys, self._seen = self._keys[stays], self._seen[stays]
        self._full &= len(self._keys) >= ROWS_MAX

    def _family(self, name: str) -> int:
        if name not in self._families:
            if len(self._families) >= _LABELS - 1:
                name = _OTHERS
            self._families.setdefault(name, len(self._families))
        return self._families[name]


def _number(code: str | None) -> int:
    """A country's two letters as a number from 1; 0: unknown."""
    return 0 if code is None else 1 + 26 * (ord(code[0]) - ord("A")) + ord(code[1]) - ord("A")


def _code(number: int) -> str:
    first, second = divmod(number - 1, 26)
    return chr(ord("A") + first) + chr(ord("A") + second) if number else ""
