"""Read a collector's audit log with golang.org/x/mod, an independent implementation; exit 1 where anything disagrees.

python loadtest/tlog_check.py [--entries 700] [--output FILE]

A collector is started on loopback in a temporary directory, reloaded, stopped; then further entries are appended, so that
the log has several tiles. `tlog_check/check.go` opens the checkpoint with golang.org/x/mod/sumdb/note, recomputes the
root from the tiles with tlog, proves the inclusion of every entry and the consistency with the checkpoint that the
collector had left.
Then one byte each of checkpoint, tile, bundle and log is changed: the Go program has to refuse each.

Needs Go and x/mod, as Debian packages them: apt-get install golang-go golang-golang-x-mod-dev. Nothing is installed or
downloaded here. Writes loadtest/results/tlog-check.json.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bed import collector
from bed.bench_result import machine
from bed.process import StartError
from bed.site import Row, Site, free_ports, write_schedule, write_site

ROOT = Path(__file__).resolve().parents[1]
GOCODE = Path("/usr/share/gocode")
NEEDED = "golang-go golang-golang-x-mod-dev"


def build(directory: Path) -> Path:
    """Build the Go program from the distribution's sources alone."""
    target = directory / "check"
    settings = {
        "GO111MODULE": "off",
        "GOPATH": str(GOCODE),
        "GOCACHE": str(directory / "gocache"),
        "GOFLAGS": "",
    }
    words = ["go", "build", "-o", str(target), str(ROOT / "loadtest" / "tlog_check" / "check.go")]
    subprocess.run(words, check=True, env={**os.environ, **settings})
    return target


def versions() -> dict[str, str]:
    """What checks."""
    go = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout.strip()
    words = ["dpkg-query", "-W", "-f", "${Version}", "golang-golang-x-mod-dev"]
    mod = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    return {"go": go, "golang.org/x/mod": mod or "unknown"}


def run_collector(directory: Path) -> Site:
    """A collector's life: started, reloaded twice, stopped."""
    directory.mkdir()
    schedule = directory / "listed.csv"
    write_schedule(schedule, [Row("evil-one.com")])
    ports = free_ports(3)
    site = write_site(
        directory, listen=[f"tcp://127.0.0.1:{ports[0]}"], manage_port=ports[1], schedule=schedule
    )
    process = collector.start(site)
    try:
        for domain in ("evil-two.com", "evil-three.com"):
            write_schedule(schedule, [Row("evil-one.com"), Row(domain)])
            os.kill(process.pid, signal.SIGHUP)
            time.sleep(2)
        code, _ = process.stop()
    except BaseException:
        with contextlib.suppress(OSError):
            process.kill()
        raise
    if code:
        raise StartError(f"stopped with {code}:\n{process.tail()}")
    return site


def lengthen(site: Site, count: int) -> None:
    """Append until the log has `count` entries, as an officer's commands would."""
    sys.path.insert(0, str(ROOT))
    from collector.audit.key import checkpoint_key
    from collector.audit.log import AuditLog
    from collector.service import settings

    known = settings.load(site.config)
    log = AuditLog(site.data / "audit", checkpoint_key(known.signing_key, known.sensor))
    while log.size < count:
        log.append("configuration_refused", time.time_ns() // 1000, problems=log.size)


def checked(program: Path, audit: Path, older: Path) -> dict[str, object]:
    """What the Go program says of a log."""
    words = [str(program), str(audit), (audit / "vkey").read_text().strip(), str(older)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    told: dict[str, object] = json.loads(done.stdout)
    return told


def refused(program: Path, audit: Path, older: Path, directory: Path) -> dict[str, object]:
    """For one changed byte in each kind of file: what the Go program says against it; "" where it found nothing."""
    said: dict[str, object] = {}
    for name in ("checkpoint", "tile/0/000", "tile/1/000.p/2", "tile/entries/001", "log.jsonl"):
        copy = directory / "changed"
        shutil.copytree(audit, copy)
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)
        told = checked(program, copy, older)
        said[name] = "" if told["holds"] else told["error"]
        shutil.rmtree(copy)
    return said


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=700, choices=range(513, 767), metavar="513…766")
    parser.add_argument("--output", type=Path, default=ROOT / "loadtest" / "results" / "tlog-check.json")
    chosen = parser.parse_args()
    if shutil.which("go") is None or not (GOCODE / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        print(f"Go or golang.org/x/mod is not here; on Debian: apt-get install {NEEDED}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="pentrap-tlog-") as name:
        directory = Path(name)
        try:
            program = build(directory)
            site = run_collector(directory / "site")
        except (StartError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            return 1
        audit, older = site.data / "audit", directory / "older"
        shutil.copy(audit / "checkpoint", older)
        events = [json.loads(line)["event"] for line in (audit / "log.jsonl").read_text().splitlines()]
        lengthen(site, chosen.entries)
        told = checked(program, audit, older)
        against = refused(program, audit, older, directory)
    result = {
        "holds": bool(told["holds"]) and all(against.values()),
        "checks": told,
        "changed_byte_refused": against,
        "entries_of_the_collector": events,
        "command": f"loadtest/tlog_check.py --entries {chosen.entries}",
        "checked_by": versions(),
    }
    chosen.output.write_text(json.dumps(result | machine(), indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
