"""An operation file: one takedown. An injunction brings the domains to us, pen/trap orders say what may be
recorded.

    [injunction] [answer]               once
    [[domains]] [[except]] [[services]] what is listed
    [[order]] [[order.annex]]           what may be recorded, and who may have it

Every key is a field below; its description is what an error says was expected. This module holds the
tables; what must agree between them is in `agreement`, and reading is in `docket`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from collector.orders.instants import to_us
from collector.orders.kinds import ENDINGS, KINDS
from collector.orders.mistakes import Table
from collector.orders.schedule import FAMILY, FAMILY_WORDS

GRACE_DAYS_MAX = 30
"""A clock that is wrong by more than a month is not "a little off"; grace also widens whose machines are
recorded.
"""

RETENTION_DAYS_MAX = 3650

COLUMNS_WORDS = "a list of column names of the datasets events and hosts; [] is all"

_Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Alias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
_Family = Annotated[str, StringConstraints(pattern=f"^(?:{FAMILY.pattern})$")]
_Column = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,32}$")]
_Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


def _in_utc(moment: datetime) -> datetime:
    """The year 9999 in a zone behind UTC can be the year 10000, which has no name."""
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("no instant that UTC's calendar has") from None
    return moment


_Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
_INSTANT_WORDS = "an instant with its zone, as 2026-11-01T00:00:00Z"


class Injunction(Table):
    """Why the domains come to us. It never stops the answer."""

    court: _Text = Field(description="the court's name")
    docket: _Text = Field(description="the case's docket number")
    issued: _Moment = Field(description=_INSTANT_WORDS)
    expires: _Moment | None = Field(
        None, description=_INSTANT_WORDS + "; later than issued; warns, never stops"
    )


class DomainFile(Table):
    """`[[domains]]`: one schedule."""

    file: _Text = Field(description="the name of a schedule's CSV file, relative to this file's folder")
    grace_days: int = Field(
        0,
        ge=0,
        le=GRACE_DAYS_MAX,
        description=f"whole days from 0 to {GRACE_DAYS_MAX} around each domain's dates",
    )


class Exclusion(Table):
    """`[[except]]`: a name that is off at once, with everything beneath it."""

    domain: _Text = Field(description="a domain name, which is taken off with everything beneath it")


class Service(Table):
    """`[[services]]`: a botnet without domains."""

    transport: Literal["tcp", "udp"] = Field(description='"tcp" or "udp"')
    port: int = Field(ge=1, le=65535, description="a port from 1 to 65535")
    address: str = Field("", description='one of our own IP addresses, or "" for any of them')
    family: _Family = Field(description=FAMILY_WORDS)


class Annex(Table):
    """`[[order.annex]]`: a partner that the order permits, and what it may have."""

    partner: _Alias = Field(description="a partner's name: a-z, 0-9 and hyphen")
    columns: tuple[_Column, ...] = Field((), strict=False, description=COLUMNS_WORDS)
    families: tuple[_Family, ...] = Field((), strict=False, description="a list of families; [] is all")
    countries: tuple[_Country, ...] = Field(
        (), strict=False, description='a list of two-letter countries (ISO 3166-1), as "DE"; [] is all'
    )
    networks: tuple[str, ...] = Field(
        (), strict=False, description='a list of networks, as "192.0.2.0/24"; [] is all'
    )
    tlp: Literal["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"] = Field(
        description='a TLP 2.0 label: "CLEAR", "GREEN", "AMBER", "AMBER+STRICT" or "RED"'
    )


class Order(Table):
    """`[[order]]`: what may be recorded, when, for whom."""

    id: _Alias = Field(description="an alias for files and metrics: 1 to 64 of a-z, 0-9 and hyphen")
    kind: str = Field(description="one of " + ", ".join(f'"{kind}"' for kind in KINDS))
    docket: _Text = Field(description="the order's docket number")
    court: str = Field("", description="the court, if it is not the injunction's")
    agency: str = Field("", description="the agency that asked for the order")
    issued: _Moment = Field(description=_INSTANT_WORDS)
    starts: _Moment = Field(description=_INSTANT_WORDS)
    ends: _Moment = Field(description=_INSTANT_WORDS + ", exclusive")
    extends: _Alias | None = Field(
        None, description="the id of the order of this operation that this one extends"
    )
    terminated: _Moment | None = Field(None, description=_INSTANT_WORDS)
    obtained: _Moment | None = Field(
        None, description=_INSTANT_WORDS + " (emergency: when the court's order was obtained)"
    )
    denied: _Moment | None = Field(None, description=_INSTANT_WORDS + " (emergency: when it was denied)")
    officers: tuple[_Text, ...] = Field(
        strict=False, min_length=1, description="a list of at least one officer (18 USC 3123(a)(3))"
    )
    fields: tuple[Literal["volume"], ...] = Field(
        (),
        strict=False,
        description='[] or ["volume"]; nothing else may be recorded beyond addressing, routing, time',
    )
    retention_days: int = Field(
        90,
        ge=1,
        le=RETENTION_DAYS_MAX,
        description=f"days from 1 to {RETENTION_DAYS_MAX} that partners keep their copies",
    )
    annex: tuple[Annex, ...] = Field((), strict=False, description="tables [[order.annex]]")

    @property
    def duration(self) -> timedelta:
        """From `starts` to `ends`."""
        return self.ends - self.starts

    @property
    def starts_us(self) -> int:
        """First microsecond in which it is in force."""
        return to_us(self.starts)

    @property
    def ends_us(self) -> int:
        """First microsecond in which it is not: `ends`, or whatever ended it before."""
        moments = (self.ends, *self.endings.values())
        return min(to_us(moment) for moment in moments)

    @property
    def endings(self) -> dict[str, datetime]:
        """What the file says ended it before `ends`: terminated, obtained, denied, where given."""
        given = {key: getattr(self, key) for key in ENDINGS}
        return {key: moment for key, moment in given.items() if moment is not None}


@dataclass(frozen=True)
class Operation:
    """A whole operation file, checked. `name` is what the key `operation` says."""

    name: str
    file: str
    folder: Path
    injunction: Injunction
    answer: bytes
    domains: tuple[DomainFile, ...]
    exceptions: tuple[Exclusion, ...]
    services: tuple[Service, ...]
    orders: tuple[Order, ...]
    unsealed: bool = False
    """Whether the court has let the world know of it."""


class Title(Table):
    """The keys outside of any table."""

    operation: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,32}$")] = Field(
        description="the operation's name: 1 to 32 of a-z and 0-9"
    )
