"""A real collector for tests: real processes, real sockets, real files, ports and a folder of its own."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from prometheus_client.parser import text_string_to_metric_families

PENTRAP = Path(sys.executable).parent / "pentrap"
ROOT = Path(__file__).resolve().parent.parent

SCHEDULE_HEADER = "domain,family,action,registry,valid_from,valid_until\n"
SCHEDULE = (
    SCHEDULE_HEADER
    + """evil-one.com,andromeda,redirect,reg-a,,
evil-two.net,urlzone,register,reg-b,,
blocked.org,citadel,block,reg-b,,
"""
)


PORTS = (22_000, 32_768)
"""Beyond those of load tests, below ip_local_port_range."""


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port that nobody has, below those that the kernel hands out: no client's connection takes it meanwhile."""
    while True:
        port = random.SystemRandom().randrange(*PORTS)
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, kind) as sock:
            sock.bind(("::", port))  # both families
            return port


def write_operation(
    folder: Path,
    *,
    schedule: str = SCHEDULE,
    starts: datetime | None = None,
    ends: datetime | None = None,
    volume: bool = False,
    services: str = "",
    orders: str | None = None,
    extra: str = "",
    name: str = "op",
) -> Path:
    """An operation with one order in force now (or as told), and its schedule."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.csv").write_text(schedule)
    starts = starts or datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    ends = ends or starts + timedelta(days=30)
    fields = '["volume"]' if volume else "[]"
    if orders is None:
        orders = f"""
[[order]]
id = "{name}-1"
kind = "pen-trap"
docket = "SEALED-DOCKET-1"
issued = {starts.isoformat().replace("+00:00", "Z")}
starts = {starts.isoformat().replace("+00:00", "Z")}
ends = {ends.isoformat().replace("+00:00", "Z")}
officers = ["Officer A"]
fields = {fields}
retention_days = 90
"""
    text = f"""operation = "{name}"
[injunction]
court = "SEALED-COURT"
docket = "SEALED-DOCKET-0"
issued = 2026-01-01T00:00:00Z
[answer]
status = 200
header = "X-Sinkhole: malware"
[[domains]]
file = "{name}.csv"
{services}
{orders}
{extra}
"""
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


@dataclass
class Collector:
    """One collector: its folder, its ports, its process."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    wrapper: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    log_level: str = "info"
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.udp_port = free_port(socket.SOCK_DGRAM)
        self.manage_port = free_port()
        self.pull_port = free_port()
        self.config = self.folder / "pentrap.toml"
        self.data = self.folder / "data"
        self.log_file = self.folder / "serve.log"

    def write_config(self) -> None:
        """pentrap.toml from `settings`: intake.* and others by dotted key."""
        values: dict[str, Any] = {
            "data_dir": "data",
            "sensor": "test-1",
            "operations": ["operations/*.toml"],
            "intake.listen": [
                f"tcp://127.0.0.1:{self.port}",
                f"tcp://[::1]:{self.port}",
                f"udp://127.0.0.1:{self.udp_port}",
                f"udp://[::1]:{self.udp_port}",
            ],
            "intake.workers": 1,
            "intake.durability": "write",
            "intake.head_deadline_seconds": 1,
            "intake.udp_receive_buffer_kb": 4096,
            "segments.seal_seconds": 1,
            "manage.listen": f"127.0.0.1:{self.manage_port}",
            "pull.listen": f"127.0.0.1:{self.pull_port}",
        } | self.settings
        top = [f"{key} = {json.dumps(value)}" for key, value in values.items() if "." not in key]
        sections: dict[str, list[str]] = {}
        for key, value in values.items():
            section, dot, name = key.partition(".")
            if dot:
                sections.setdefault(section, []).append(f"{name} = {json.dumps(value)}")
        body = [line for section, lines in sections.items() for line in (f"[{section}]", *lines)]
        self.config.write_text("\n".join([*top, *body]) + "\n")

    def launch(self) -> None:
        """Start the processes, and wait for nothing."""
        self.write_config()
        command = [
            *self.wrapper,
            str(PENTRAP),
            "serve",
            "--config",
            str(self.config),
            "--log-level",
            self.log_level,
        ]
        self.log = self.log_file.open("ab")
        self.process = subprocess.Popen(
            command,
            stderr=self.log,
            stdout=self.log,
            env=os.environ | self.environment,
            start_new_session=True,
        )

    def start(self, wait: float = 15.0) -> "Collector":
        """Start and wait until machines are answered."""
        self.launch()
        assert self.process is not None
        until = time.monotonic() + wait
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"serve ended with {self.process.returncode}: {self.log_file.read_text()}"
                )
            with contextlib.suppress(OSError, ValueError):
                if self.ready()["ready"]:
                    return self
            time.sleep(0.03)
        raise AssertionError(f"not ready in {wait} s: {self.log_file.read_text()}")

    def get(self, path: str) -> bytes:
        """A page of the management plane. Patient: under libfaketime a thread's wake-up now and then comes seconds late."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.manage_port}{path}", timeout=20) as answer:
            return answer.read()

    def ready(self) -> dict[str, Any]:
        """/readyz as JSON."""
        return json.loads(self.get("/readyz"))

    def metrics(self) -> dict[str, float]:
        """All samples: name{label=value} -> number."""
        samples = {}
        for family in text_string_to_metric_families(self.get("/metrics").decode()):
            for sample in family.samples:
                labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
                samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return samples

    def fates(self) -> dict[str, int]:
        """Counted fates, those that are not zero, plus `accepted` and `open`; the equation is asserted."""
        samples = self.metrics()
        prefix = "pentrap_checkins_total{fate="
        fates = {
            key[len(prefix) : -1]: int(value) for key, value in samples.items() if key.startswith(prefix)
        }
        accepted = int(sum(v for k, v in samples.items() if k.startswith("pentrap_checkins_accepted_total")))
        still_open = int(samples["pentrap_checkins_open"])
        assert accepted == sum(fates.values()) + still_open, (accepted, fates, still_open)
        return {key: value for key, value in fates.items() if value} | {
            "accepted": accepted,
            "open": still_open,
        }

    def settled_fates(self, accepted: int, wait: float = 10.0) -> dict[str, int]:
        """`fates` once `accepted` check-ins have all got theirs."""
        until = time.monotonic() + wait
        while True:
            fates = self.fates()
            if (fates["accepted"] >= accepted and not fates["open"]) or time.monotonic() > until:
                return fates
            time.sleep(0.03)

    def pids(self) -> dict[str, int]:
        """Processes by role, read from /proc: supervisor, and its children by their order of start."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {"supervisor": self.process.pid} | {f"child-{n}": int(pid) for n, pid in enumerate(children)}

    def kill_child(self, name: str) -> None:
        """SIGKILL to "intake-N" or "clerk", who are forked in this order."""
        children = [pid for role, pid in self.pids().items() if role != "supervisor"]
        os.kill(children[-1 if name == "clerk" else int(name.rpartition("-")[2])], signal.SIGKILL)

    def reload(self) -> None:
        """SIGHUP."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def stop(self, wait: float = 40.0) -> int:
        """A clean stop; the exit code."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        code = process.wait(wait)
        self.log.close()
        return code

    def kill(self) -> None:
        """SIGKILL to every process of the collector at once."""
        if self.process is None:
            return
        process, self.process = self.process, None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        self.log.close()

    def table(self) -> pa.Table:
        """Everything in Parquet, in order of stream and record."""
        files = sorted(self.data.glob("segments/date=*/*.parquet"))
        tables = [pq.read_table(path, partitioning=None) for path in files]
        if not tables:
            return pa.table({})
        return pa.concat_tables(tables).sort_by([("stream", "ascending"), ("record", "ascending")])

    def rows(self) -> list[dict[str, Any]]:
        """`table` as dictionaries."""
        return self.table().to_pylist()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def exchange(
    port: int,
    *pieces: bytes,
    host: str = "127.0.0.1",
    source: str = "",
    pause: float = 0.03,
    finish: bool = False,
) -> bytes:
    """Send pieces one by one, from the address `source` where one is given, read until the collector's FIN; what it answered.
    Raises ConnectionResetError on RST.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(10)
        if source:
            sock.bind((source, 0))
        sock.connect((host, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(pause)
            sock.sendall(piece)
        if finish:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        while more := sock.recv(65536):
            answer += more
        return answer


def get(host: bytes = b"evil-one.com", path: bytes = b"/", more: bytes = b"") -> bytes:
    """A plain request head."""
    return b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + more + b"\r\n"


def patched(folder: Path, code: str) -> dict[str, str]:
    """The environment in which every process of a collector runs `code` before anything else."""
    place = folder / "patch"
    place.mkdir()
    (place / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])}


def wait_for(what: str, collector: Collector, count: int) -> None:
    """Until the log says `what` for the count-th time."""
    until = time.monotonic() + 10
    while collector.log_file.read_text().count(what) < count:
        assert time.monotonic() < until, collector.log_file.read_text()
        time.sleep(0.02)


@contextlib.contextmanager
def running(folder: Path, **options: Any) -> Iterator[Collector]:
    """A started collector with one operation in force; killed at the end if it is still there."""
    operation = options.pop("operation", {})
    collector = Collector(folder, **options)
    write_operation(folder / "operations", **operation)
    with collector:
        yield collector.start()
