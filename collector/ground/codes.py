"""Closed enums: the only words about a check-in that ever leave the process.

Each member's number is stored in journals (never renumber, only append) and its lower-case name is what
Parquet, metrics and people see.
"""

from enum import IntEnum


class Transport(IntEnum):
    """IANA protocol numbers (RFC 5237 registry)."""

    TCP = 6
    UDP = 17


class Application(IntEnum):
    """What the first bytes began as. Nothing finer is recorded (law: method and version are "arguable")."""

    OPAQUE = 0
    HTTP = 1
    TLS = 2


class Trust(IntEnum):
    """Why the source address is believed: a TCP handshake, a listed proxy's header, or nothing (UDP, spoofable)."""

    HANDSHAKE = 0
    PROXY = 1
    DATAGRAM = 2


class Kind(IntEnum):
    """What a record's `subject` numbers: a row of the schedule index, or a service of the rules."""

    DOMAIN = 0
    SERVICE = 1


class Action(IntEnum):
    """What the court ordered a registry to do with a domain; only `block` is not recorded."""

    REDIRECT = 0
    REGISTER = 1
    TRANSFER = 2
    BLOCK = 3


class Flaw(IntEnum):
    """Why a head that began as HTTP or TLS is of no use."""

    NONE = 0
    TOO_LONG = 1
    UNFINISHED = 2
    TWO_NAMES = 3


class Fate(IntEnum):
    """How a check-in ended; exactly one for each (contract: "Fates and the equation")."""

    RECORDED = 0
    SUPPRESSED_PROBE = 1
    SUPPRESSED_SCOPE = 2
    SUPPRESSED_CLOCK = 3
    SUPPRESSED_WINDOW = 4
    REJECTED_SILENT = 5
    REJECTED_PROXY = 6
    REJECTED_PARSE = 7
    DROPPED_OVERLOAD = 8
    DROPPED_DISK = 9
    DROPPED_CRASH = 10
