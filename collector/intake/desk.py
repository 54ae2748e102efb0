"""One verdict becomes one fate: the order's rules, the record, the count, the answer.

Everything that is decided about a check-in is decided here, in one place, whichever path it came by; the fast path calls the
same `judge` and `record`.
"""

from collections.abc import Callable
from typing import NamedTuple

from collector.ground.clock import ClockWatch
from collector.ground.codes import Application, Fate, Transport
from collector.ground.counters import APPLICATION_0, CELL, FATE_0, Page
from collector.ground.record import RECORD, RECORD_SIZE, VOLUME_NONE
from collector.ground.unexpected import Unexpected
from collector.intake.commit import Committer
from collector.intake.sockets import RawSocket
from collector.journal.format import BLOCK_SIZE, MICROSECONDS_A_DAY
from collector.orders.rules import MISSED_SUBJECT, Rules

TLS_ALERT = bytes.fromhex("15030100020228")
"""Fatal alert handshake_failure (RFC 8446 6.2): the answer to every TLS check-in, for we hold no key."""

NO_MATCH = -1
_RECORDED = int(Fate.RECORDED)
_CLOCK = int(Fate.SUPPRESSED_CLOCK)
_PARSE = int(Fate.REJECTED_PARSE)
_SILENT = int(Fate.REJECTED_SILENT)
_SCOPE = int(Fate.SUPPRESSED_SCOPE)
_HTTP = int(Application.HTTP)
_TLS = int(Application.TLS)
_TCP = int(Transport.TCP)
_CLOCK_UNSURE = CELL["clock_unsure"]
_pack_into = RECORD.pack_into


class Party(NamedTuple):
    """Who spoke to whom, and why we believe it. Addresses are 16 bytes; `accepted_us` is when accept returned it."""

    accepted_us: int
    src: bytes
    src_port: int
    dst: bytes
    dst_port: int
    transport: int
    trust: int


class Desk:
    """The decisions of one worker."""

    def __init__(
        self,
        rules: Rules,
        default_answer: bytes,
        clock: ClockWatch,
        committer: Committer,
        page: Page,
        served: memoryview,
        unexpected: Unexpected,
        probe: Callable[[bytes], bool] | None,
        proxy: Callable[[bytes], bool] | None,
    ) -> None:
        self.clock = clock
        self.committer = committer
        self.page = page
        self.counts = page.counts
        self.served = served
        self.unexpected = unexpected
        self.is_probe = probe
        self.is_proxy = proxy
        self.doubt = False
        self._default_answer = default_answer
        self.adopt(rules)

    def adopt(self, rules: Rules) -> None:
        """Swap the rules, whole; records already made stay under the old ones."""
        self.rules = rules
        self.decide = rules.decide
        # Operation -1 is "none matched", and Python's last item: the default answer stands there.
        self.answers = [*rules.answers, self._default_answer]
        self.notices = rules.notices
        self.committer.turn(self.committer.day_start, rules.digest)

    def look_at_clock(self) -> None:
        """Before each batch: is the wall clock to be believed?"""
        doubt = self.clock.unsure()
        if doubt is not self.doubt:
            self.doubt = doubt
            self.counts[_CLOCK_UNSURE] = doubt

    def settle(
        self,
        party: Party,
        name: bytes | None,
        application: int,
        flaw: int,
        received: int,
        sock: RawSocket | None,
    ) -> None:
        """Give a check-in its fate and, where it is TCP and still there, its answer. `received` 0 means silence."""
        fate, operation, order, kind, subject, volume = self.decide(
            name, party.transport, party.dst, party.dst_port, party.accepted_us
        )
        committer = self.committer
        if fate == NO_MATCH:
            silent = received == 0 and party.transport == _TCP
            fate = _PARSE if flaw else _SILENT if silent else _SCOPE
            if subject == MISSED_SUBJECT and name is not None and not self.doubt:
                # Blocked or out of date: it leaves a number beside its own entry, and nothing else.
                for key, hint in self.rules.missed(name):
                    self.unexpected.count(key, hint, party.accepted_us // MICROSECONDS_A_DAY)
        elif self.doubt:
            fate = _CLOCK
        if received or party.transport == Transport.UDP:
            self.counts[APPLICATION_0 + application] += 1
        if fate == _RECORDED:
            # A straggler's day is the day of its arrival.
            if not committer.day_start <= party.accepted_us < committer.day_end:
                committer.turn(party.accepted_us)
            batch = committer.batch
            if batch.count == batch.room:
                batch.grow()
            _pack_into(
                batch.buffer,
                BLOCK_SIZE + batch.count * RECORD_SIZE,
                party.accepted_us,
                party.src,
                party.dst,
                subject,
                min(received, VOLUME_NONE - 1) if volume else VOLUME_NONE,
                order,
                party.src_port,
                party.dst_port,
                party.transport,
                application,
                party.trust,
                kind,
            )
            batch.count += 1
        else:
            self.counts[FATE_0 + fate] += 1
        if sock is not None:
            if application == _HTTP and operation in self.notices:
                self.served[self.notices[operation]] += 1
            answer = (
                self.answers[operation] if application == _HTTP else TLS_ALERT if application == _TLS else b""
            )
            (committer.held if fate == _RECORDED else committer.ready).append((sock, answer))

    def pardon(self, application: int, sock: RawSocket) -> None:
        """One of our own probes: answered like everybody, recorded never."""
        self.counts[FATE_0 + Fate.SUPPRESSED_PROBE] += 1
        answer = self._default_answer if application == _HTTP else TLS_ALERT if application == _TLS else b""
        self.committer.ready.append((sock, answer))

    def refuse(self, fate: Fate, sock: RawSocket | None) -> None:
        """Count a fate that no rule decides, and close without an answer."""
        self.counts[FATE_0 + fate] += 1
        if sock is not None:
            sock.close()
