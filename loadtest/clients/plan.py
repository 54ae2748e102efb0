"""The plan of a load: when each check-in starts, from where, to where, what it says. Fixed by the seed
alone.

Open loop: the times come from the rate and the seed and never from the answers, so a slow collector meets
the same load as a fast one (no coordinated omission). Source address and port are never used twice by one
plan as long as there are ports left, so a row is matched to its check-in without doubt.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

from clients.listing import Listing
from clients.speech import GROUPS, KINDS, Expected, Speech, expected
from clients.targets import Target, source_address

FIRST_PORT = 20_000
PORTS = 41_000
"""Source ports 20000 … 60999: above the listeners of a test, below what some kernels keep."""
DEFAULT_MIX = "http=56,tls=14,service=4,udp=8,unlisted=12,broken=5,silent=1"
NAT_SOURCES = 16
NAT_SHARE = 0.1
"""One check-in in ten comes from one of sixteen addresses: carrier NAT."""


class CheckIn(NamedTuple):
    """One planned check-in."""

    number: int
    due: float
    """Seconds after the start of the load."""
    kind: str
    target: Target
    source: str
    port: int
    speech: Speech
    expected: Expected


class Mix(NamedTuple):
    """Kinds and their cumulative weights, ready for random.choices."""

    kinds: tuple[str, ...]
    cumulative: tuple[float, ...]


def parse_mix(text: str, targets: list[Target]) -> Mix:
    """`group=weight,…`, or kinds by name. Kinds without a fitting target are left out."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        weight = float(value or 1)
        if name in KINDS:
            weights[name] = weights.get(name, 0) + weight
        elif name in GROUPS:
            members = {k: kind.share for k, kind in KINDS.items() if kind.group == name}
            for kind, share in members.items():
                weights[kind] = weights.get(kind, 0) + weight * share / sum(members.values())
        else:
            raise ValueError(f"--mix: {name}: expected one of {', '.join((*GROUPS, *KINDS))}")
    kept = {kind: weight for kind, weight in weights.items() if weight > 0 and fitting(kind, targets)}
    if not kept:
        raise ValueError("--mix: no kind has a target that it can be sent to")
    total = 0.0
    return Mix(tuple(kept), tuple(total := total + weight for weight in kept.values()))


def fitting(kind: str, targets: list[Target]) -> list[Target]:
    """The targets that a kind is sent to: services for `service`, any UDP one for `udp`, else TCP."""
    group = KINDS[kind].group
    if group == "udp":
        return [target for target in targets if target.transport == "udp"]
    tcp = [target for target in targets if target.transport == "tcp"]
    if group == "service":
        return [target for target in tcp if target.service]
    if group == "silent":
        return [target for target in tcp if not target.service]
    return tcp


class Plan:
    """Iterable of CheckIn in order of `due`; iterating twice gives the same check-ins."""

    def __init__(
        self,
        *,
        seed: int,
        rate: float,
        count: int,
        mix: Mix,
        targets: list[Target],
        listing: Listing,
        sources: int,
    ) -> None:
        self.seed, self.rate, self.count, self.mix = seed, rate, count, mix
        self.targets, self.listing, self.sources = targets, listing, sources
        self.listed = frozenset(listing.domains)

    def __iter__(self) -> Iterator[CheckIn]:
        rng = random.Random(self.seed)
        clock = random.Random(f"{self.seed}/clock")
        fitting_of = {kind: fitting(kind, self.targets) for kind in self.mix.kinds}
        used: dict[str, int] = {}
        addresses = [source_address(number) for number in range(self.sources)]
        offset = self.seed * 7919 % PORTS
        domains = self.listing.domains or ("no-domain-listed.invalid",)
        due = 0.0
        for number in range(self.count):
            due += clock.expovariate(self.rate)
            kind = rng.choices(self.mix.kinds, cum_weights=self.mix.cumulative)[0]
            choices = fitting_of[kind]
            target = choices[rng.randrange(len(choices))]
            if target.host == "::1":
                source = "::1"
            else:
                reach = min(NAT_SOURCES, self.sources) if rng.random() < NAT_SHARE else self.sources
                source = addresses[rng.randrange(reach)]
            turn = used.get(source, 0)
            used[source] = turn + 1
            domain = domains[rng.randrange(len(domains))]
            other = f"u{rng.getrandbits(40):010x}.unlisted-{rng.randrange(1000)}.example"
            speech = KINDS[kind].make(rng, domain, other)
            yield CheckIn(
                number,
                due,
                kind,
                target,
                source,
                FIRST_PORT + (offset + turn) % PORTS,
                speech,
                expected(speech, self.listed, target.service),
            )
