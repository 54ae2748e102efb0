"""A collector to be broken, a load that does not stop for it, and the judgement afterwards.

The load is the fleet's own engine in a thread, fed from its own plan until told to stop: open loop, every check-in in a
ledger. The collector is the tests' own, real processes on free ports. Nothing here looks into the collector other than
through its sockets, its metrics, its audit file and its Parquet.
"""

import contextlib
import itertools
import json
import os
import platform
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bed.rows import Event, events, read_arrow, segment_files
from clients.ledger import Entry, Ledger, read_ledger
from clients.listing import Listing
from clients.load import Load
from clients.match import Verdict, compare
from clients.plan import CheckIn, Plan, parse_mix
from clients.targets import Target
from collectors import Collector, write_operation

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "loadtest" / "results"
DOMAINS = ("evil-one.com", "evil-two.net")
MIX = "http=64,tls=17,unlisted=12,broken=6,silent=1"
"""No datagrams and no opaque services: they get no bytes, and a dying process's sockets close with the same FIN, so their
machines cannot tell an answer from a death."""
TIMEOUT_SECONDS = 8.0
"""Until the load gives a check-in up; longer than any pause the collector may take."""
PLAN_COUNT = 4_000_000


def more_descriptors() -> None:
    """As many as the hard limit allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Steady:
    """A load of `rate` check-ins a second from now until `stop`."""

    def __init__(
        self,
        targets: list[Target],
        ledger: Path,
        *,
        rate: float,
        seed: int,
        mix: str = MIX,
        sources: int = 4000,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        more_descriptors()
        self._plan = Plan(
            seed=seed,
            rate=rate,
            count=PLAN_COUNT,
            mix=parse_mix(mix, targets),
            targets=targets,
            listing=Listing(DOMAINS, ()),
            sources=sources,
        )
        self.ledger = ledger
        self._stopping = threading.Event()
        self._book = Ledger(ledger)
        self._load = Load(self._book, timeout)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[CheckIn]:
        return itertools.takewhile(lambda _: not self._stopping.is_set(), iter(self._plan))

    def _run(self) -> None:
        try:
            self._load.run(self)  # type: ignore[arg-type]  # it only iterates
        except BaseException as error:
            self._failure = error

    @property
    def made(self) -> int:
        """Check-ins started so far."""
        return len(self._load.lateness)

    def stop(self) -> list[Entry]:
        """Start no more, wait for the ends of what is open; the whole ledger."""
        self._stopping.set()
        self._thread.join(TIMEOUT_SECONDS + 30)
        self._book.close()
        if self._failure is not None:
            raise self._failure
        assert not self._thread.is_alive(), "the load does not end"
        return list(read_ledger(self.ledger))


def quiet_port() -> int:
    """A free port below the kernel's own range, so that nobody's outgoing connection takes it while a collector is down."""
    while True:
        port = random.SystemRandom().randrange(10_000, 18_000)
        with contextlib.suppress(OSError):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as sock:
                    sock.bind(("127.0.0.1", port))
            return port


def make_collector(folder: Path, data: Path | None = None, **settings: Any) -> tuple[Collector, list[Target]]:
    """A collector with one TCP port for names and one that is a listed service; what to aim a load at."""
    collector = Collector(folder)
    collector.port, collector.udp_port, collector.manage_port, service = (quiet_port() for _ in range(4))
    write_operation(
        folder / "operations",
        services=f'[[services]]\ntransport = "tcp"\nport = {service}\nfamily = "zeroaccess"\n'
        f'[[services]]\ntransport = "udp"\nport = {collector.udp_port}\nfamily = "zeroaccess"\n',
    )
    collector.settings = {
        "intake.listen": [
            f"tcp://127.0.0.1:{collector.port}",
            f"tcp://127.0.0.1:{service}",
            f"udp://127.0.0.1:{collector.udp_port}",
        ],
    } | {key.replace("__", "."): value for key, value in settings.items()}
    if data is not None:
        collector.settings["data_dir"] = str(data)
        collector.data = data
    targets = [
        Target("tcp", "127.0.0.1", collector.port),
        Target("tcp", "127.0.0.1", service, service=True),
        Target("udp", "127.0.0.1", collector.udp_port, service=True),
    ]
    return collector, targets


def checks_in(
    port: int, source: str = "127.0.0.1", host: bytes = b"nobody-listed.example", timeout: float = 5.0
) -> bool:
    """One check-in, of a name that nobody listed unless told: whether it was answered, whole and without RST."""
    with contextlib.suppress(OSError), socket.socket() as sock:
        sock.settimeout(timeout)
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        answer = b""
        while more := sock.recv(4096):
            answer += more
        return answer.startswith(b"HTTP/1.1 ")
    return False


def start_measured(collector: Collector) -> float:
    """Start; seconds from the command to the first machine answered."""
    collector.write_config()
    collector.log = collector.log_file.open("ab")
    began = time.monotonic()
    collector.process = subprocess.Popen(
        command(collector), stderr=collector.log, stdout=collector.log, start_new_session=True
    )
    while not checks_in(collector.port):
        if collector.process.poll() is not None or time.monotonic() - began > 30:
            raise AssertionError(f"not answering: {collector.log_file.read_text()[-2000:]}")
        time.sleep(0.01)
    return time.monotonic() - began


def start_whole(collector: Collector) -> float:
    """`start_measured`, and wait until the clerk serves metrics too."""
    seconds = start_measured(collector)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError, ValueError):
            if collector.ready()["ready"]:
                return seconds
        time.sleep(0.02)
    raise AssertionError(f"no management plane: {collector.log_file.read_text()[-2000:]}")


def command(collector: Collector) -> list[str]:
    """`pentrap serve` on the collector's configuration."""
    program = str(Path(sys.executable).parent / "pentrap")
    return [*collector.wrapper, program, "serve", "--config", str(collector.config)]


def children(collector: Collector) -> list[int]:
    """Workers in their order, then the clerk; processes that died are not in it, so ask when all are alive."""
    return [pid for name, pid in collector.pids().items() if name != "supervisor"]


_LISTENERS: dict[int, frozenset[str]] = {}


def listeners(collector: Collector) -> frozenset[str]:
    """The collector's own listening sockets on its first port, one for each worker, as /proc names them."""
    assert collector.process is not None
    known = _LISTENERS.get(collector.process.pid)
    if not known:
        local = f"0100007F:{collector.port:04X}"
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        found = {
            f"socket:[{words[9]}]"
            for line in lines
            if (words := line.split())[1] == local and words[3] == "0A"
        }
        known = _LISTENERS[collector.process.pid] = frozenset(found)
    return known


def roles(collector: Collector) -> dict[str, int]:
    """Processes by role, told by what they hold: a worker one of the listeners, the clerk none."""
    assert collector.process is not None
    found = {"supervisor": collector.process.pid}
    ours = listeners(collector)
    worker = 0
    for pid in children(collector):
        held = set()
        with contextlib.suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    held.add(str(descriptor.readlink()))
        if not held:
            continue  # dead, or just being born
        if not held & ours:
            found["clerk"] = pid
        elif len(held & ours) == 1:
            found[f"worker-{worker}"] = pid
            worker += 1
    return found


def kill(pid: int) -> None:
    """SIGKILL to one process of ours."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def rows_of(data: Path) -> list[Event]:
    """Everything in Parquet."""
    return events(read_arrow(segment_files(data)))


def journals_left(data: Path) -> list[str]:
    """Journals after a clean stop: there must be none."""
    return sorted(str(path.relative_to(data)) for path in (data / "journal").rglob("*") if path.is_file())


def audit(data: Path, event: str) -> list[dict[str, Any]]:
    """Audit entries of one kind, oldest first; the counts of a `stopped` entry's fates beside its other facts."""
    lines = (data / "audit" / "log.jsonl").read_text().splitlines()
    return [entry | entry.get("fates", {}) for entry in map(json.loads, lines) if entry["event"] == event]


def judge(entries: list[Entry], data: Path) -> tuple[Verdict, list[Event]]:
    """Ledger against rows; entries that never reached the collector play no part."""
    rows = rows_of(data)
    return compare([entry for entry in entries if entry.how != "refused"], rows), rows


def machine() -> dict[str, Any]:
    """What the figures were made on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "",
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def revision() -> str:
    """The commit that was measured, with a plus where the collector's files differ from it."""
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)  # noqa: PLW1510
    changed = subprocess.run(  # noqa: PLW1510
        ["git", "status", "--porcelain", "collector"], cwd=ROOT, capture_output=True, text=True
    )
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def write_result(name: str, result: dict[str, Any]) -> Path:
    """The raw result, kept."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / name
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path
