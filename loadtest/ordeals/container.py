"""The image in a real container runtime: read-only, without root, without any capability, in a network of its own.

podman with runc, since both are Debian's and need neither a daemon nor a registry. The network is a namespace that this run
makes, with a loopback interface and nothing else, and the fleet plays from inside of it: ports 80 and 443 are the container's
own, and no load can leave. Wants root for the namespace; the container itself has none.
"""

import contextlib
import json
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UID = 10001
NETWORK = "pentrap-image"
GRACE_SECONDS = 180
"""As compose.yaml, the systemd unit and the Kubernetes manifests give it."""


def storage(folder: Path) -> list[str]:
    """Options that keep images and containers below `folder`, apart from whatever else this machine has."""
    return ["--storage-driver", "vfs", "--root", str(folder / "storage"), "--runroot", str(folder / "run")]


def missing_programs() -> list[str]:
    """What has to be installed first."""
    needed = ("buildah", "podman", "runc", "debootstrap", "nsenter", "ip", "prometheus")
    return [program for program in needed if shutil.which(program) is None]


@contextlib.contextmanager
def network() -> Iterator[str]:
    """A network namespace that has a loopback interface, and lets everybody listen on every port; its path."""
    subprocess.run(["ip", "netns", "add", NETWORK], check=True)
    try:
        within = ["ip", "netns", "exec", NETWORK]
        subprocess.run([*within, "ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(
            [
                *within,
                "sysctl",
                "-qw",
                "net.ipv4.ip_unprivileged_port_start=0",
                "net.ipv4.ip_local_port_range=61000 65000",
            ],
            check=True,
        )
        yield f"/run/netns/{NETWORK}"
    finally:
        subprocess.run(["ip", "netns", "delete", NETWORK], check=True)


@dataclass
class Container:
    """One container of the image, and its folders on this machine."""

    image: str
    storage: list[str]
    config: Path
    data: Path
    network: str
    environment: dict[str, str] = field(default_factory=dict)
    name: str = "pentrap-image-test"

    @property
    def engine(self) -> list[str]:
        """podman, so that it needs no systemd and no journal."""
        return [
            "podman",
            *self.storage,
            "--runtime",
            "runc",
            "--cgroup-manager",
            "cgroupfs",
            "--events-backend",
            "file",
        ]

    def create(self) -> None:
        """Start it for the first time, as compose.yaml does."""
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        options = [
            "--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=512m",
            "--cap-drop", "all", "--security-opt", "no-new-privileges",
            "--network", f"ns:{self.network}",
            "--volume", f"{self.config}:/etc/pentrap:ro", "--volume", f"{self.data}:/var/lib/pentrap",
            "--ulimit", f"nofile={descriptors}:{descriptors}", "--ulimit", "nproc=4096:4096",
            "--stop-timeout", str(GRACE_SECONDS),
        ]  # fmt: skip
        options += [f"--env={name}={value}" for name, value in self.environment.items()]
        self._podman("run", "--detach", "--name", self.name, *options, self.image)

    def start(self) -> None:
        """Start it again."""
        self._podman("start", self.name)

    def stop(self) -> tuple[float, int]:
        """SIGTERM, as any runtime sends it; seconds until it ended, and its exit code (137: its grace was over)."""
        began = time.monotonic()
        self._podman("stop", "--time", str(GRACE_SECONDS), self.name)
        seconds = time.monotonic() - began
        return round(seconds, 2), int(self.inspect()["State"]["ExitCode"])

    def healthy(self) -> bool:
        """Run the image's own health check once."""
        return self._podman("healthcheck", "run", self.name, check=False).returncode == 0

    def wait_healthy(self, seconds: float = 120.0) -> float:
        """Seconds until the health check holds. Raises TimeoutError with the log."""
        began = time.monotonic()
        while not self.healthy():
            if time.monotonic() - began > seconds or not self.inspect()["State"]["Running"]:
                raise TimeoutError(f"not healthy after {seconds} s")
            time.sleep(0.2)
        return round(time.monotonic() - began, 2)

    def pentrap(
        self, verb: str, *words: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """An officer's command in the running container; `verb` with its subcommand, if it has any."""
        options = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        command = ["pentrap", *verb.split(), "--config", "/etc/pentrap/pentrap.toml", *words]
        return self._podman("exec", *options, self.name, *command, check=False)

    def inspect(self) -> dict[str, Any]:
        """What the runtime knows of it."""
        found: list[dict[str, Any]] = json.loads(self._podman("inspect", self.name).stdout)
        return found[0]

    def log(self) -> str:
        """Everything that it logged."""
        done = self._podman("logs", self.name)
        return done.stdout + done.stderr

    def processes(self) -> list[dict[str, str]]:
        """/proc/PID/status of each of its processes, as the kernel tells it from outside."""
        top = int(self.inspect()["State"]["Pid"])
        pids = [top]
        for pid in pids:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                pids += map(int, children.read_text().split())
        lines = (Path(f"/proc/{pid}/status").read_text().splitlines() for pid in pids)
        return [{line.partition(":")[0]: line.partition(":")[2].strip() for line in text} for text in lines]

    def mounts(self) -> dict[str, list[str]]:
        """Each mount point within it, and its options."""
        top = int(self.inspect()["State"]["Pid"])
        rows = (line.split() for line in Path(f"/proc/{top}/mounts").read_text().splitlines())
        return {row[1]: row[3].split(",") for row in rows}

    def remove(self) -> None:
        """Kill it if it runs, and forget it."""
        self._podman("rm", "--force", "--time", "0", self.name, check=False)

    def _podman(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([*self.engine, *words], capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"podman {' '.join(words[:2])}: {done.stderr.strip()}")
        return done
