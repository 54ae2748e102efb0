"""How often is too often: for strangers, and for partners; pure, the clock is an argument (seconds, monotonic).

A request with valid credentials is never delayed or refused because of what strangers do: its credentials are looked at first,
and only a failure spends from what failures may spend. All of it is bounded: sources are remembered up to SOURCES_MAX, the
longest unseen is forgotten, and the limit over all sources covers what is forgotten.
"""

import math
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

SOURCES_MAX = 4096
"""Sources that are remembered: some 1 MB."""
ENTRY_SECONDS = 60.0
"""Between two entries of failed requests in the audit log (contract: at most one a minute)."""


class Limits(NamedTuple):
    """Bursts are so many at once; rates are refilled a second."""

    source_burst: int = 20
    """Failures of one source: a misconfigured script's."""
    source_rate: float = 0.2
    all_burst: int = 1000
    """Failures of all sources together. Guessing 256 bits at any rate is hopeless; this bounds the work."""
    all_rate: float = 50
    account_burst: int = 2000
    """Requests of one account: each is an audit entry. DuckDB reads a large Parquet file in some dozens of ranges."""
    account_rate: float = 100
    under_way: int = 16
    """Answers on their way to one partner at once, all its accounts together."""


LIMITS = Limits()


class Bucket:
    """A token bucket: `burst` at once, refilled by `rate` a second."""

    __slots__ = ("burst", "left", "rate", "when")

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self.burst, self.rate = burst, rate
        self.left, self.when = float(burst), now

    def take(self, now: float) -> bool:
        """One, if there is one."""
        self.left = min(self.burst, self.left + max(0.0, now - self.when) * self.rate)
        self.when = now
        if self.left < 1:
            return False
        self.left -= 1
        return True

    @property
    def wait_seconds(self) -> int:
        """Whole seconds until there is one: what Retry-After says."""
        return max(1, math.ceil((1 - self.left) / self.rate))


class Strangers:
    """Requests without valid credentials: limited, and counted for the log."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._all = Bucket(limits.all_burst, limits.all_rate, now)
        self._sources: OrderedDict[str, Bucket] = OrderedDict()
        self._count = 0
        self._entered = -math.inf

    def refuse(self, source: str, now: float) -> int:
        """Count a failure. 0: say why (401); more: say only when to come again (429), in seconds."""
        self._count += 1
        key = network_of(source)
        bucket = self._sources.get(key)
        if bucket is None:
            bucket = self._sources[key] = Bucket(self._limits.source_burst, self._limits.source_rate, now)
            if len(self._sources) > SOURCES_MAX:
                self._sources.popitem(last=False)
        self._sources.move_to_end(key)
        if not bucket.take(now):
            return bucket.wait_seconds
        return 0 if self._all.take(now) else self._all.wait_seconds

    @property
    def remembered(self) -> int:
        """How many sources."""
        return len(self._sources)

    def due(self, now: float, *, stopping: bool = False) -> int:
        """How many failures the log has to hear of now; 0 is none. They are taken as told."""
        if not self._count or (now - self._entered < ENTRY_SECONDS and not stopping):
            return 0
        count, self._count = self._count, 0
        self._entered = now
        return count

    def again(self, count: int) -> None:
        """The log could not be told: keep them."""
        self._count += count


class Account:
    """What one account has asked lately."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._bucket = Bucket(limits.account_burst, limits.account_rate, now)
        self._told = -math.inf
        self.refused = 0
        """Requests refused for their rate, without an entry of their own yet."""

    def admit(self, now: float) -> int:
        """0, or how many seconds to wait."""
        return 0 if self._bucket.take(now) else self._bucket.wait_seconds

    def is_told(self, now: float) -> bool:
        """Whether a refusal now needs no entry, because there was one within the last minute; it is counted instead."""
        self.refused += 1
        if now - self._told < ENTRY_SECONDS:
            return True
        self._told = now
        return False

    def take_refused(self) -> int:
        """Those counted so far; they are taken as told."""
        count, self.refused = self.refused, 0
        return count


def network_of(source: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: whoever has one address of it has all. Other text as it is."""
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return address.packed[:8].hex()
    return str(address)
