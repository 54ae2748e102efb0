"""The engine of the fleet: one thread, one epoll, every check-in started at its planned time.

A connection is a plain socket: bind, connect (finished on return over loopback), send at once, then wait
for the answer's end. Its pieces after the first, and its deadline, wait in a heap and a queue. Nothing
here looks at answers to decide when to send next.

Limits: OPEN_MAX connections at once (further starts wait and count as late); ANSWER_MAX bytes of an
answer.
"""

import errno
import heapq
import select
import socket
import time
from collections import Counter, deque

from clients.ledger import Ledger, answered
from clients.plan import CheckIn, Plan

OPEN_MAX = 15_000
ANSWER_MAX = 64 * 1024
STARTS_A_TURN = 64
"""Starts between two looks at epoll, so that a backlog of starts does not delay the ends."""
UDP_SOCKETS = 1024
LATE_SECONDS = 0.010
IP_BIND_ADDRESS_NO_PORT = 24
UNREACHED = (errno.ECONNREFUSED, errno.EADDRNOTAVAIL, errno.ENETUNREACH)


def now_us() -> int:
    return time.time_ns() // 1000


class Connection:
    """One TCP check-in under way."""

    __slots__ = ("answer", "begin_us", "check_in", "deadline", "pending", "port", "sock", "step")

    def __init__(
        self, sock: socket.socket, check_in: CheckIn, port: int, begin_us: int, deadline: float
    ) -> None:
        self.sock, self.check_in, self.port = sock, check_in, port
        self.begin_us, self.deadline = begin_us, deadline
        self.step = 0
        self.pending = b""
        self.answer = b""


class Load:
    """Runs a plan against the collector and writes the ledger."""

    def __init__(self, ledger: Ledger, timeout_seconds: float) -> None:
        self.ledger, self.timeout = ledger, timeout_seconds
        self.poll = select.epoll()
        self.open: dict[int, Connection] = {}
        self.steps: list[tuple[float, int, Connection]] = []
        self.ends: deque[Connection] = deque()
        self.datagrams: dict[tuple[str, int], socket.socket] = {}
        self.lateness: list[float] = []
        self.outcomes: Counter[str] = Counter()
        self.answers: Counter[bytes] = Counter()

    def run(self, plan: Plan) -> float:
        """Play the plan to its end; the seconds it took until the last check-in started."""
        start = time.monotonic()
        last_start = start
        coming = iter(plan)
        following = next(coming, None)
        while following is not None or self.open:
            now = time.monotonic()
            for _ in range(STARTS_A_TURN):
                if following is None or start + following.due > now or len(self.open) >= OPEN_MAX:
                    break
                self.lateness.append(now - start - following.due)
                self._start(following, now)
                following = next(coming, None)
                last_start = now
                now = time.monotonic()
            self._turn(start + following.due if following else now + 1.0)
        for sock in self.datagrams.values():
            sock.close()
        self.poll.close()
        return last_start - start

    def _turn(self, until: float) -> None:
        now = time.monotonic()
        if self.steps:
            until = min(until, self.steps[0][0])
        for fd, events in self.poll.poll(min(max(until - now, 0.0), 0.25)):
            if (connection := self.open.get(fd)) is not None:
                if connection.pending or events & select.EPOLLOUT:
                    self._resume(connection)
                else:
                    self._read(connection)
        now = time.monotonic()
        while self.steps and self.steps[0][0] <= now:
            connection = heapq.heappop(self.steps)[2]
            if connection.sock.fileno() in self.open:
                self._send(connection, connection.check_in.speech.steps[connection.step][1])
        while self.ends and (self.ends[0].sock.fileno() < 0 or self.ends[0].deadline <= now):
            connection = self.ends.popleft()
            if connection.sock.fileno() >= 0:
                self._finish(connection, "timeout")

    def _start(self, check_in: CheckIn, now: float) -> None:
        if check_in.target.transport == "udp":
            self._datagram(check_in)
            return
        target = check_in.target
        family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        port = self._bind(sock, check_in)
        begin_us = now_us()
        connection = Connection(sock, check_in, port, begin_us, now + self.timeout)
        code = sock.connect_ex((target.host, target.port))
        self.open[sock.fileno()] = connection
        self.poll.register(sock, 0)
        self.ends.append(connection)
        if code not in (0, errno.EINPROGRESS):
            self._finish(connection, "refused" if code in UNREACHED else "rst")
        elif check_in.speech.steps:
            self._send(connection, check_in.speech.steps[0][1])
        else:
            self._last_sent(connection)

    def _bind(self, sock: socket.socket, check_in: CheckIn) -> int:
        """Bind to the planned source; should its port be taken, to another one."""
        try:
            sock.bind((check_in.source, check_in.port))
        except OSError:
            sock.bind((check_in.source, 0))
            return int(sock.getsockname()[1])
        return check_in.port

    def _send(self, connection: Connection, data: bytes) -> None:
        try:
            sent = connection.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._finish(connection, "refused" if error.errno in UNREACHED else "rst")
            return
        if sent < len(data):
            connection.pending = data[sent:]
            self.poll.modify(connection.sock, select.EPOLLOUT)
            return
        connection.step += 1
        steps = connection.check_in.speech.steps
        if connection.step < len(steps):
            due = time.monotonic() + steps[connection.step][0]
            heapq.heappush(self.steps, (due, connection.check_in.number, connection))
        else:
            self._last_sent(connection)

    def _resume(self, connection: Connection) -> None:
        if connection.pending:
            data, connection.pending = connection.pending, b""
            self.poll.modify(connection.sock, 0)
            self._send(connection, data)
        else:
            self._last_sent(connection)

    def _last_sent(self, connection: Connection) -> None:
        if connection.check_in.speech.fin:
            try:
                connection.sock.shutdown(socket.SHUT_WR)
            except OSError as error:
                self._finish(connection, "refused" if error.errno in UNREACHED else "rst")
                return
        self.poll.modify(connection.sock, select.EPOLLIN)

    def _read(self, connection: Connection) -> None:
        try:
            while data := connection.sock.recv(ANSWER_MAX):
                connection.answer = (connection.answer + data)[:ANSWER_MAX]
        except BlockingIOError:
            return
        except OSError as error:
            self._finish(connection, "refused" if error.errno in UNREACHED else "rst")
            return
        self._finish(connection, "fin")

    def _finish(self, connection: Connection, how: str) -> None:
        end_us = now_us()
        del self.open[connection.sock.fileno()]
        connection.sock.close()
        check_in = connection.check_in
        application = check_in.expected.application
        good = answered(application, connection.answer, how)
        self.ledger.write(check_in, connection.port, (connection.begin_us, end_us), good, how)
        self.outcomes[f"{check_in.kind} {how if good or how != 'fin' else 'wrong-answer'}"] += 1
        if application == "http" and (connection.answer in self.answers or len(self.answers) < 1000):
            self.answers[connection.answer] += 1

    def _datagram(self, check_in: CheckIn) -> None:
        family = socket.AF_INET6 if ":" in check_in.source else socket.AF_INET
        key = (check_in.source, check_in.number % UDP_SOCKETS)
        sock = self.datagrams.get(key)
        if sock is None:
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            sock.bind((check_in.source, 0))
            self.datagrams[key] = sock
            if len(self.datagrams) > UDP_SOCKETS:
                self.datagrams.pop(next(iter(self.datagrams))).close()
        data = check_in.speech.steps[0][1] if check_in.speech.steps else b""
        port = sock.getsockname()[1]
        begin_us = now_us()
        try:
            sock.sendto(data, (check_in.target.host, check_in.target.port))
            how = "sent"
        except OSError:
            how = "refused"
        self.ledger.write(check_in, port, (begin_us, now_us()), False, how)
        self.outcomes[f"{check_in.kind} {how}"] += 1
