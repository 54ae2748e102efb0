"""The cage of an intake worker: what it must not do is refused, what it must do goes on; a machine without cages is told so."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from collectors import ROOT, Collector, exchange, get, running, write_operation

PROGRAM = """
import contextlib, ctypes, errno, json, mmap, os, resource, signal, socket, sys, threading
from pathlib import Path
from collector.ground import cage, logs, process
from collector.service import intake
from collector.service.settings import load
from collector.intake.sockets import bind
from collector.intake.settings import parse_listen

folder = Path(sys.argv[1])
settings = load(folder / "pentrap.toml")
logs.configure("info")
held_open = os.open(settings.data_dir / "segments" / "segment.parquet", os.O_RDONLY)
lock = process.lock(settings.data_dir / "lock")
listeners = [bind(parse_listen(text), 64) for text in settings.intake.listen]
udp = next(listener.sock for listener in listeners if listener.sock.type == socket.SOCK_DGRAM)
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
process.harden()
pid = os.fork()
if pid:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

libc = ctypes.CDLL(None, use_errno=True)
numbers = json.loads(sys.argv[2])

def call(name, *arguments):
    if libc.syscall(numbers[name], *(ctypes.c_long(argument) for argument in arguments)) < 0:
        raise OSError(ctypes.get_errno(), name)

def thread():
    done = threading.Event()
    threading.Thread(target=done.set).start()
    assert done.wait(5)

def new_stream():
    (settings.data_dir / "journal/day").mkdir()
    path = settings.data_dir / "journal/day/a"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    os.write(descriptor, b"x" * 10)
    os.fdatasync(descriptor)
    os.ftruncate(descriptor, 5)
    os.close(descriptor)
    path.rename(path.with_name("b"))
    path.with_name("b").unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(directory)
    os.rmdir(path.parent)

def answer():
    server, client = socket.socketpair()
    server.send(b"x", socket.MSG_MORE)
    server.shutdown(socket.SHUT_WR)
    assert client.recv(9) == b"x"

def late_import():
    import xml.dom.minidom, uvloop._version, sqlite3

TRIES = {
    "read a segment": lambda: open(settings.data_dir / "segments/segment.parquet"),
    "list the segments": lambda: os.listdir(settings.data_dir / "segments"),
    "read the audit log": lambda: open(settings.data_dir / "audit/log.jsonl"),
    "append to the audit log": lambda: os.open(settings.data_dir / "audit/log.jsonl", os.O_WRONLY | os.O_APPEND),
    "read who had access": lambda: open(settings.data_dir / "access/people.json"),
    "read a journal": lambda: open(settings.data_dir / "journal/old/x.journal"),
    "read the signing key": lambda: open(folder / "signing.key"),
    "read the settings": lambda: open(settings.file),
    "read an operation": lambda: open(folder / "operations/op.toml"),
    "read /etc/passwd": lambda: open("/etc/passwd"),
    "read its own memory": lambda: open("/proc/self/mem", "rb"),
    "read its own environment": lambda: open("/proc/self/environ"),
    "read the supervisor's memory": lambda: open(f"/proc/{os.getppid()}/mem", "rb"),
    "write a file elsewhere": lambda: open(folder / "escaped", "w"),
    "write in the data folder": lambda: open(settings.data_dir / "x", "w"),
    "write among the rules": lambda: open(settings.data_dir / "rules/x", "w"),
    "write beside the segments": lambda: os.mkdir(settings.data_dir / "segments/x"),
    "delete a segment": lambda: os.unlink(settings.data_dir / "segments/segment.parquet"),
    "move a journal out": lambda: os.rename(settings.data_dir / "journal/old/x.journal", settings.data_dir / "x"),
    "link a segment in": lambda: os.link(settings.data_dir / "segments/segment.parquet", settings.data_dir / "journal/x"),
    "cut a segment": lambda: os.truncate(settings.data_dir / "segments/segment.parquet", 0),
    "make a symbolic link": lambda: os.symlink("/etc", settings.data_dir / "journal/etc"),
    "make a FIFO": lambda: os.mkfifo(settings.data_dir / "journal/fifo"),
    "open a segment to all": lambda: os.chmod(settings.data_dir / "segments/segment.parquet", 0o666),
    "give a segment away": lambda: os.chown(settings.data_dir / "segments/segment.parquet", 1, 1),
    "hide text in an attribute": lambda: os.setxattr(settings.data_dir / "journal", "user.x", b"content"),
    "hide text in a time": lambda: os.utime(settings.data_dir / "journal", (1, 1)),
    "watch a folder": lambda: call("inotify_init1", 0),
    "a TCP socket": lambda: socket.socket(),
    "a UDP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "a Unix socket": lambda: socket.socket(socket.AF_UNIX),
    "a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "resolve a name": lambda: socket.getaddrinfo("example.org", 80),
    "connect a listed UDP socket": lambda: udp.connect(("127.0.0.1", 53)),
    "send from a listed UDP socket": lambda: udp.sendto(b"x", ("127.0.0.1", 53)),
    "sendmsg": lambda: udp.sendmsg([b"x"], [], 0, ("127.0.0.1", 53)),
    "pass a descriptor on": lambda: socket.send_fds(ours, [b"x"], [0]),
    "bind": lambda: udp.bind(("127.0.0.1", 0)),
    "listen": lambda: listeners[0].sock.listen(9),
    "execute": lambda: os.execv("/bin/true", ["true"]),
    "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "fork": os.fork,
    "vfork": lambda: call("vfork"),
    "clone a process": lambda: call("clone", 17, 0, 0, 0, 0),
    "clone into namespaces": lambda: call("clone", 0x10000000 | 17, 0, 0, 0, 0),
    "unshare": lambda: call("unshare", 0x10000000),
    "signal the supervisor": lambda: os.kill(os.getppid(), 0),
    "signal the supervisor's thread": lambda: call("tgkill", os.getppid(), os.getppid(), 0),
    "ptrace": lambda: call("ptrace", 16, os.getppid(), 0, 0),
    "process_vm_readv": lambda: call("process_vm_readv", os.getppid(), 0, 0, 0, 0, 0),
    "pidfd_open": lambda: call("pidfd_open", os.getppid(), 0),
    "become dumpable": lambda: call("prctl", 4, 1, 0, 0, 0) if libc.prctl(3) == 0 else None,
    "change the supervisor's limits": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0)),
    "mount": lambda: call("mount", 0, 0, 0, 0, 0),
    "io_uring_setup": lambda: call("io_uring_setup", 8, 0),
    "io_uring_enter": lambda: call("io_uring_enter", 0, 0, 0, 0, 0),
    "bpf": lambda: call("bpf", 0, 0, 0),
    "perf_event_open": lambda: call("perf_event_open", 0, 0, 0, 0, 0),
    "userfaultfd": lambda: call("userfaultfd", 0),
    "keyctl": lambda: call("keyctl", 0, 0, 0, 0, 0),
    "kexec_load": lambda: call("kexec_load", 0, 0, 0, 0),
    "open_by_handle_at": lambda: call("open_by_handle_at", 0, 0, 0),
    "set the clock": lambda: call("settimeofday", 0, 0),
    "clone3 says that it is not there": lambda: call("clone3", 0, 0),
    "type on the terminal": lambda: call("ioctl", 0, 0x5412, 0),
    "read a segment that was open": lambda: os.pread(held_open, 10, 0) == b"" and (_ for _ in ()).throw(PermissionError),
}
ALLOWED = {
    "read the rules": lambda: open(settings.data_dir / "rules/current").read(),
    "map an index": lambda: mmap.mmap(os.open(settings.data_dir / "rules/current", os.O_RDONLY), 0, prot=mmap.PROT_READ),
    "a new stream": new_stream,
    "list the journal": lambda: os.listdir(settings.data_dir / "journal"),
    "the spare descriptor": lambda: os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC),
    "accept": lambda: contextlib.suppress(BlockingIOError).__enter__() and listeners[0].sock.accept(),
    "answer": answer,
    "a thread": thread,
    "a late import": late_import,
    "the kernel's clock state": lambda: __import__("collector.ground.clock").ground.clock.kernel_synchronised(),
    "its own limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)),
    "drops of a UDP socket": lambda: udp.getsockopt(socket.SOL_SOCKET, 55, 36),
    "random bytes": lambda: os.urandom(8),
    "the lock stays open": lambda: os.path.samestat(os.fstat(lock), os.stat(settings.data_dir / "lock")) or os.fstat(-1),
}

def outcome(action):
    try:
        action()
    except BlockingIOError:
        return "done"
    except OSError as error:
        return errno.errorcode.get(error.errno, "PermissionError" if isinstance(error, PermissionError) else str(error.errno))
    return "done"

for bar in sys.argv[3:]:
    setattr(cage, bar, lambda *_, **__: [])
intake._enter_cage(settings, listeners, logs.get("intake-0"))
if len(sys.argv) > 3:  # what would not outlive a failed bar is left out
    TRIES = {name: TRIES[name] for name in (
        "read a segment", "write a file elsewhere", "a UDP socket", "send from a listed UDP socket",
        "read a segment that was open",
    )}
denied = {name: outcome(action) for name, action in TRIES.items()}
allowed = {name: outcome(action) for name, action in ALLOWED.items()}
print(json.dumps({"denied": denied, "allowed": allowed}), flush=True)
os._exit(0)
"""
CALLS = (
    "inotify_init1", "vfork", "clone", "unshare", "tgkill", "ptrace", "process_vm_readv", "pidfd_open", "prctl", "mount",
    "io_uring_setup", "io_uring_enter", "bpf", "perf_event_open", "userfaultfd", "keyctl", "kexec_load", "open_by_handle_at",
    "settimeofday", "clone3", "ioctl",
)  # fmt: skip


def world(folder: Path) -> Path:
    """A configuration and a data folder in which every kind of file stands that a worker must not see."""
    made = Collector(folder)
    made.write_config()
    write_operation(folder / "operations")
    for name in (
        "signing.key",
        "data/segments/segment.parquet",
        "data/audit/log.jsonl",
        "data/access/people.json",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("not for a worker's eyes")
    for name in ("data/rules/current", "data/journal/old/x.journal"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("0" * 64)
    return folder


def numbers() -> str:
    """The system calls' numbers on this architecture, as JSON."""
    import pyseccomp

    return json.dumps({name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in CALLS})


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program of its own process."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)


def test_a_caged_worker_can_do_its_work_and_nothing_else(tmp_path):
    """Each forbidden thing tried by a process that was forked and caged as a worker is: refused; each needful one: done."""
    done = run(PROGRAM, str(world(tmp_path)), numbers())
    assert done.returncode == 0, done.stderr
    assert "cage_incomplete" not in done.stderr
    found = json.loads(done.stdout)
    refused = {"EPERM", "EACCES", "EXDEV", "PermissionError"}
    by_name = {"resolve a name": {"-3", "EAI", "ESRCH"}, "clone3 says that it is not there": {"ENOSYS"}}
    escaped = {name: said for name, said in found["denied"].items() if said not in by_name.get(name, refused)}
    assert escaped == {}
    assert {name: said for name, said in found["allowed"].items() if said != "done"} == {}
    assert (tmp_path / "data/segments/segment.parquet").read_text() == "not for a worker's eyes"


def test_each_bar_of_the_cage_is_needed(tmp_path):
    """The trial above is no empty exercise: with one bar left out, what it alone refuses can be done."""
    for bar, opened in (
        ("_confine_files", {"read a segment", "write a file elsewhere"}),
        ("_refuse_calls", {"a UDP socket", "send from a listed UDP socket"}),
        ("close_strangers", {"read a segment that was open"}),
    ):
        found = json.loads(run(PROGRAM, str(world(tmp_path / bar)), numbers(), bar).stdout)["denied"]
        assert {name for name, said in found.items() if said == "done"} == opened, bar


def status(pid: int) -> dict[str, str]:
    """/proc/<pid>/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def caged_worker(collector: Collector, durability: str) -> int:
    """The pid of the one worker, which is found by its filter; every thread of it is as it should be."""
    found = [pid for pid in collector.pids().values() if status(pid)["Seccomp"] == "2"]
    assert len(found) == 1
    tasks = [int(task.name) for task in Path(f"/proc/{found[0]}/task").iterdir()]
    assert len(tasks) == (2 if durability == "sync" else 1)
    for said in map(status, tasks):
        assert (said["Seccomp"], said["NoNewPrivs"]) == ("2", "1")
        assert all(int(said[name], 16) in (0, 2) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"))
    return found[0]


@pytest.mark.parametrize("durability", ["write", "sync"])
def test_a_running_collectors_workers_are_caged(tmp_path, durability):
    """Every thread of a worker: filtered, without new privileges or capabilities; a replacement of a killed one too."""
    with running(tmp_path, settings={"intake.durability": durability}) as collector:
        first = caged_worker(collector, durability)
        assert exchange(collector.port, get()).startswith(b"HTTP/1.1 200")
        os.kill(first, 9)
        until = time.monotonic() + 5
        while collector.pids().get("child-1") is None or first in collector.pids().values():
            assert time.monotonic() < until
            time.sleep(0.05)
        assert exchange(collector.port, get()).startswith(b"HTTP/1.1 200")
        caged_worker(collector, durability)
        assert all(status(pid)["NoNewPrivs"] == "1" for pid in collector.pids().values())
        assert collector.stop() == 0
        assert len(collector.rows()) == 2
        assert "cage_incomplete" not in collector.log_file.read_text()


OLD_KERNEL = """
import errno, os, sys, pyseccomp as s
rules = s.SyscallFilter(s.ALLOW)
for call, error in ((444, errno.ENOSYS), ("seccomp", errno.ENOSYS), ("capset", errno.EPERM)):
    rules.add_rule(s.ERRNO(error), call)
rules.add_rule(s.ERRNO(errno.EINVAL), "prctl", s.Arg(0, s.EQ, 22))
rules.load()
os.execv(sys.argv[1], sys.argv[1:])
"""
"""A machine that knows neither landlock nor seccomp filters, and lets nobody change capabilities."""


def test_a_machine_without_cages_is_told_so_and_served(tmp_path):
    """Where the kernel or the container offers none of it, machines are answered and recorded, and the log says so."""
    made = Collector(tmp_path, wrapper=[sys.executable, "-c", OLD_KERNEL])
    write_operation(tmp_path / "operations")
    with made:
        made.start()
        assert exchange(made.port, get()).startswith(b"HTTP/1.1 200")
        assert made.stop() == 0
        assert len(made.rows()) == 1
    lines = [json.loads(line) for line in made.log_file.read_text().splitlines() if line.startswith("{")]
    told = [line for line in lines if line["event"] == "cage_incomplete"]
    assert [line["missing"] for line in told] == [["capabilities", "landlock", "seccomp"]]


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="starts processes of another user"
)
def test_nobody_attaches_to_a_collector_of_the_same_user(tmp_path):
    """As a plain user: it serves and shows its metrics, and its processes' memory and environment are closed to that user."""
    made = Collector(tmp_path, wrapper=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    write_operation(tmp_path / "operations")
    made.write_config()
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, 65534, 65534)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    with made:
        made.start()
        assert exchange(made.port, get()).startswith(b"HTTP/1.1 200")
        assert made.metrics()["process_open_fds"] > 0
        for pid in made.pids().values():
            for name in ("mem", "environ", "maps"):
                tried = subprocess.run(
                    [*made.wrapper, "head", "-c", "1", f"/proc/{pid}/{name}"],
                    capture_output=True,
                    check=False,
                )
                assert b"Permission denied" in tried.stderr, (name, tried)
        assert made.stop() == 0
        assert len(made.rows()) == 1


def test_a_filter_speaks_for_one_abi_only(tmp_path):
    """A call by the x32 numbers, which no bug of ours makes, ends the process: they would walk around the filter."""
    if os.uname().machine != "x86_64":
        pytest.skip("x32 is x86-64's")
    program = PROGRAM.replace("denied = {", "libc.syscall(0x40000000 | 41, 2, 1, 0)\ndenied = {", 1)
    assert run(program, str(world(tmp_path)), numbers()).returncode == 256 - 31  # SIGSYS


def memory(pid: int) -> bytes:
    """All that a process can write to of its memory, where secrets would lie."""
    found = b""
    with Path(f"/proc/{pid}/mem").open("rb", 0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, mode, *_ = line.split()
            if mode.startswith("rw") and "[v" not in line:
                start, end = (int(text, 16) for text in span.split("-"))
                mem.seek(start)
                found += mem.read(end - start) or b""
    return found


@pytest.mark.skipif(os.getuid() != 0, reason="reads the memory of processes that forbid it")
def test_no_private_key_is_in_a_workers_memory(tmp_path):
    """The signing key, made at this first start and used since, is in the memory of neither a worker nor its parent."""
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    with running(tmp_path) as collector:
        assert exchange(collector.port, get()).startswith(b"HTTP/1.1 200")
        collector.reload()
        time.sleep(0.5)
        text = (tmp_path / "signing.key").read_bytes()
        seed = load_ssh_private_key(text, None).private_bytes_raw()
        for pid in (collector.pids()["supervisor"], caged_worker(collector, "write")):
            held = memory(pid)
            assert b"test-1" in held
            assert seed not in held
            assert text.splitlines()[3] not in held
