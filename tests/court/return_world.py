"""What the tests of the court's return share: a data directory as a collector leaves it, made by the collector's own rooms.

Two operations of two courts share it. `avalanche` has a chain of two orders with a gap between; `zero` has one order, whose
names must not appear in avalanche's return.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from collectors import PENTRAP

from collector.audit import texts
from collector.audit.access import access
from collector.audit.key import checkpoint_key, make_key
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.audit.people import People
from collector.ground.codes import Application, Kind, Transport, Trust
from collector.ground.record import IPV4_PREFIX, RECORD, VOLUME_NONE
from collector.orders.compile import compile_operations
from collector.orders.docket import read_operations
from collector.orders.index import MARKER
from collector.orders.instants import parse_us
from collector.orders.rules import Rules
from collector.segments.catalogue import seal_day
from collector.segments.write import write_segments
from collector.service import settings as service_settings
from collector.service.changes import changes
from collector.service.loader import _facts

SENSOR = "sinkhole-1"
HEADER = "domain,family,action,registry,valid_from,valid_until\n"
AVALANCHE = HEADER + "tinba-one.com,tinba,redirect,verisign,,\ncitadel-two.net,citadel,redirect,verisign,,\n"
ZERO = HEADER + "secret-name.info,secretfamily,redirect,afilias,,\n"
DAYS = (date(2026, 9, 1), date(2026, 9, 2), date(2026, 9, 4))
STORY = [
    ("avalanche", "avalanche-1", "2026-09-01T06:00:00Z", "2026-09-03T00:00:00Z", ""),
    ("avalanche", "avalanche-2", "2026-09-04T00:00:00Z", "2026-09-05T00:00:00Z", 'extends = "avalanche-1"'),
    ("zero", "zero-secret", "2026-09-01T00:00:00Z", "2026-09-20T00:00:00Z", ""),
]


def us(text: str) -> int:
    """An instant in microseconds."""
    moment = parse_us(text)
    assert moment is not None
    return moment


def order_block(order: str, starts: str, ends: str, more: str = "") -> str:
    """One order as the operator writes it."""
    return f"""
[[order]]
id = "{order}"
kind = "pen-trap"
docket = "DOCKET-{order}"
issued = {starts}
starts = {starts}
ends = {ends}
officers = ["Officer \\u201cA\\u201d <script>alert(1)</script>"]
fields = []
retention_days = 90
{more}
"""


def operation_file(name: str) -> str:
    """One of the two operation files."""
    orders = "".join(order_block(*row[1:]) for row in STORY if row[0] == name)
    return f"""operation = "{name}"
[injunction]
court = "SEALED-COURT of <i>Testing</i> & Sons"
docket = "INJUNCTION-{name}"
issued = 2026-08-01T00:00:00Z
[answer]
status = 200
header = "X-Sinkhole: malware"
[[domains]]
file = "{name}.csv"
{orders}"""


@dataclass
class World:
    """A data directory, its settings file and how to act on it."""

    folder: Path

    @property
    def config(self) -> Path:
        """pentrap.toml."""
        return self.folder / "pentrap.toml"

    @property
    def data(self) -> Path:
        """data_dir."""
        return self.folder / "data"

    def pentrap(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        command = [str(PENTRAP), *words[:2], "--config", str(self.config), *words[2:]]
        return subprocess.run(
            command, capture_output=True, text=True, env=os.environ | environment, check=False
        )

    def make(self, target: Path, *more: str, order: str = "avalanche-1", **environment: str) -> str:
        """Make a return; its SHA-256."""
        done = self.pentrap("order", "return", "--order", order, "--to", str(target), *more, **environment)
        assert done.returncode == 0, done.stderr
        return next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("sha256"))

    def entries(self):
        """The log as it stands."""
        return read_entries(self.data / "audit")

    def log(self) -> AuditLog:
        """The log, to append to."""
        settings = service_settings.load(self.config)
        return AuditLog(self.data / "audit", checkpoint_key(settings.signing_key, settings.sensor))


def make_world(folder: Path, rows: int = 40, *, seal: bool = True, quiet: bool = False) -> World:
    """`rows` rows of each operation on each day; the last day's segment is shared by both operations. `quiet`: the log ends
    with the second start, and the collector runs on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder)
    world.config.write_text(f'data_dir = "data"\nsensor = "{SENSOR}"\noperations = ["operations/*.toml"]\n')
    operations = folder / "operations"
    operations.mkdir()
    for name, schedule in (("avalanche", AVALANCHE), ("zero", ZERO)):
        (operations / f"{name}.csv").write_text(schedule)
        (operations / f"{name}.toml").write_text(operation_file(name))
    rules = enter_story(world, quiet=quiet)
    write_rows(world, rules, rows, seal=seal)
    return world


def enter_story(world: World, *, quiet: bool = False) -> Rules:
    """Install, start, load, run, stop; somebody reads."""
    settings = service_settings.load(world.config)
    make_key(settings.signing_key)
    key = checkpoint_key(settings.signing_key, SENSOR)
    audit = world.data / "audit"
    log = AuditLog(audit, key)
    actor = People(world.data).actor("olga.officer")
    who = {"sensor": SENSOR, "version": "0.1.0", "actor": actor}
    configuration = texts.keep(audit, settings.text.encode())
    started = {"configuration": configuration, "overrides": {}, "vkey": key.verifier.text}
    log.append("installed", us("2026-08-31T10:00:00Z"), **who)
    log.append("started", us("2026-08-31T10:00:01Z"), **who, **started, previous="none")
    operations = read_operations(settings.operation_files())
    digest = compile_operations(operations, world.data / "rules")
    for event, facts in changes(
        Ledger.of(read_entries(audit)), [_facts(o, audit, schedules=True) for o in operations]
    ):
        log.append(event, us("2026-08-31T10:00:02Z"), **facts)
    log.append("orders_loaded", us("2026-08-31T10:00:03Z"), rules=digest, orders=len(STORY))
    log.append("started", us("2026-09-02T12:00:00Z"), **who, **started, previous="cut off")
    if quiet:
        log.close()
        return Rules.load(world.data / "rules", digest)
    log.append(
        "notice_served", us("2026-09-05T00:00:00Z"), operation="avalanche",
        answer=Ledger.of(read_entries(audit)).operations["avalanche"].facts["answer"],
        since="2026-09-01T06:00:00Z", until="2026-09-04T23:00:00Z", count=1234,
    )  # fmt: skip
    log.append(
        "stopped", us("2026-09-06T00:00:00Z"), actor=actor, accepted=300, open=0, clean=True,
        fates={"recorded": 240, "suppressed_window": 33, "rejected_silent": 27},
    )  # fmt: skip
    for operation, order in (("avalanche", "avalanche-1"), ("zero", "zero-secret")):
        with access(
            world.data,
            log,
            operation=operation,
            order=order,
            actor=actor,
            reason=f"looking at {order}",
            purpose="open",
        ):
            pass
    log.close()
    return Rules.load(world.data / "rules", digest)


def write_rows(world: World, rules: Rules, rows: int, *, seal: bool = True) -> None:
    """Segments of both operations, by themselves on the first days and together on the last; sealed."""
    for place, day in enumerate(DAYS):
        start_us = us(f"{day}T07:00:00Z")
        if day == DAYS[-1]:
            both = [*_records(rules, "avalanche", rows, start_us), *_records(rules, "zero", rows, start_us)]
            write_segments(world.data, b"".join(both), 0, f"{SENSOR}.0.{start_us:016d}", rules)
        else:
            for worker, operation in enumerate(("avalanche", "zero")):
                content = b"".join(_records(rules, operation, rows + place, start_us))
                write_segments(world.data, content, 0, f"{SENSOR}.{worker}.{start_us:016d}", rules)
    for day in (*DAYS, date(2026, 9, 3)) if seal else ():
        sealed_at = datetime(2026, 9, 6, tzinfo=UTC)
        seal_day(world.data, SENSOR, day, sealed_at=sealed_at, kernel_dropped={"tcp": 2, "udp": 0})


def _records(rules: Rules, operation: str, count: int, start_us: int) -> list[bytes]:
    number = rules.index.operations.index(operation)
    subjects = [
        row
        for row in range(rules.index.count)
        if (term := rules.index.terms_of_rows[row]) != MARKER
        and rules.index.operations_of_terms[term] == number
    ]
    orders = [order for order in rules.orders if rules.operations[order.operation] == operation]
    records = []
    for place in range(count):
        moment = start_us + place * 1_000_003
        order = next(order for order in orders if order.starts_us <= moment < order.ends_us)
        source = IPV4_PREFIX + bytes([198, 51, 100, place % 23])
        records.append(
            RECORD.pack(
                moment, source, IPV4_PREFIX + bytes([192, 0, 2, 1]), subjects[place % len(subjects)], VOLUME_NONE,
                order.number, 1024 + place % 60_000, 80, Transport.TCP, list(Application)[place % 2], Trust.HANDSHAKE,
                Kind.DOMAIN,
            )
        )  # fmt: skip
    return records


def verify(bundle: Path, *more: str, program: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a bundle's own verifier as a court would: plain Python, nothing of ours, an empty environment."""
    program = program or bundle / "verify.py"
    command = [sys.executable, "-I", "-S", str(program), str(bundle), *more]
    return subprocess.run(command, capture_output=True, text=True, env={}, check=False, cwd="/")
