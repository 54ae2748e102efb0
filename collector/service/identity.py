"""Who we are, for those who meet us: so that a researcher knows a sinkhole when he sees one, and knows where to write.

Only once an operation is public: an order is sealed until the court says otherwise (18 USC 3123(d)), and a list of our
addresses tells that there is one. What is told is ours alone: addresses, name, contact; no operation, order, court or domain.

The warninglist is MISP's format (github.com/MISP/misp-warninglists, schema.json): tools that read it mark our addresses instead
of raising an alarm.
"""

from collections.abc import Iterable
from datetime import date
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from collector.ground.errors import ConfigurationError, Problem
from collector.intake.settings import parse_listen
from collector.orders.answer import operators_header
from collector.orders.operation import Operation
from collector.service.settings import Settings

MATCHING = ("ip-src", "ip-dst", "ip-src|port", "ip-dst|port", "domain|ip")
"""The attributes of MISP that hold an address."""


class Identity(NamedTuple):
    """What may be told."""

    name: str
    contact: str
    url: str
    addresses: tuple[str, ...]
    """Networks, in order; a single address has its full length."""
    headers: tuple[str, ...]
    """Header lines by which our answers to public operations' domains are known."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return self._asdict()

    def warninglist(self, today: date) -> dict[str, Any]:
        """For MISP; its version grows with the day."""
        return {
            "name": self.name,
            "version": int(today.strftime("%Y%m%d")),
            "description": f"Sinkhole addresses that answer for seized botnet domains. {self.name}. Contact: {self.contact}"
            + (f". {self.url}" if self.url else ""),
            "type": "cidr",
            "matching_attributes": list(MATCHING),
            "list": list(self.addresses),
        }


def identity(settings: Settings, operations: Iterable[Operation]) -> Identity:
    """What may be told. Raises ConfigurationError where no operation is public, or something to tell is missing."""
    public = [one for one in operations if one.unsealed]
    file, of = str(settings.file), settings.identity
    if not public:
        raise ConfigurationError(
            [
                Problem(
                    file,
                    "operations",
                    "none with unsealed = true in its [answer]",
                    "an operation that is public: until the court says so nobody learns of it (18 USC 3123(d))",
                    "ask counsel; then set unsealed = true in the operation's file",
                )
            ]
        )
    problems = [
        Problem(file, f"[identity] {key}", "nothing", expected, f"set {key}")
        for key, expected in (("name", "who runs this"), ("contact", "where to write"))
        if not getattr(of, key)
    ]
    addresses = of.addresses or _listening(settings.intake.listen)
    if not addresses:
        expected = "the addresses by which others reach us: [intake] listen names none, but all or loopback"
        problems.append(Problem(file, "[identity] addresses", "nothing", expected, "list them"))
    if problems:
        raise ConfigurationError(problems)
    networks = sorted({ip_network(text) for text in addresses}, key=lambda one: (one.version, one))
    headers = sorted({header for one in public if (header := operators_header(one.answer))})
    return Identity(of.name, of.contact, of.url, tuple(map(str, networks)), tuple(headers))


def _listening(listen: Iterable[str]) -> list[str]:
    hosts = (ip_address(parse_listen(text).host) for text in listen)
    return [str(host) for host in hosts if not host.is_loopback and not host.is_unspecified]
