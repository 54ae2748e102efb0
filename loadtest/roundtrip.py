"""The main job in one command: a collector of its own, the fleet, a clean stop, the reconciliation.

python loadtest/roundtrip.py [--count 200000] [--rate 4000] [--domains 20000] [--keep DIRECTORY]

The collector listens on loopback over IPv4 and IPv6, TCP and UDP, with two listed services; fleet and
reconcile run as the commands they are. Writes loadtest/results/roundtrip-latest.json; exit 1 when ledger
and rows disagree.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bed import collector
from bed.bench_result import machine
from bed.names import bench_rows
from bed.process import Process, StartError
from bed.site import Site, free_ports, write_schedule, write_site

HERE = Path(__file__).resolve().parent


def make_site(
    directory: Path, domains: int, seed: int, durability: str, workers: int
) -> tuple[Site, list[str]]:
    """A site with a plain and a service port over TCP (IPv4, IPv6) and UDP; the fleet's targets."""
    plain, service, udp, other_udp, manage = free_ports(6)[:5]
    schedule = directory / "schedule.csv"
    write_schedule(schedule, bench_rows(domains, seed))
    listen = [f"tcp://127.0.0.1:{plain}", f"tcp://[::1]:{plain}", f"tcp://127.0.0.1:{service}"]
    listen += [f"udp://127.0.0.1:{udp}", f"udp://[::1]:{udp}", f"udp://127.0.0.1:{other_udp}"]
    site = write_site(
        directory,
        listen=listen,
        manage_port=manage,
        schedule=schedule,
        durability=durability,
        workers=workers,
        seal_seconds=5,
        services=[("tcp", service, "gameover"), ("udp", udp, "zeroaccess")],
    )
    # Two in five go to the plain IPv4 port, as in the field; one source address on ::1 has 41,000 ports only.
    return site, [listen[0], *listen]


def run(chosen: argparse.Namespace, directory: Path) -> tuple[int, dict[str, object]]:
    site, targets = make_site(directory, chosen.domains, chosen.seed, chosen.durability, chosen.workers)
    process = collector.start(site)
    ledger = directory / "ledger.csv"
    try:
        resident = process.resident_kib()
        words = [f"--target={target}" for target in targets]
        words += [f"--operation={site.operation}", f"--count={chosen.count}", f"--rate={chosen.rate}"]
        words += [f"--seed={chosen.seed}", f"--ledger={ledger}", f"--metrics={site.metrics}"]
        if chosen.mix:
            words.append(f"--mix={chosen.mix}")
        subprocess.run([sys.executable, str(HERE / "fleet.py"), *words], check=True)
        after = process.resident_kib()
        code, cpu_us = process.stop()
    except BaseException:
        leave(process)
        raise
    words = [str(ledger), f"--data={site.data}"]
    held = subprocess.run([sys.executable, str(HERE / "reconcile.py"), *words], check=False).returncode
    told = subprocess.run(
        [sys.executable, str(HERE / "reconcile.py"), *words, "--json"],
        check=False,
        capture_output=True,
        text=True,
    )
    result = {
        "reconcile": json.loads(told.stdout),
        "fleet": json.loads(Path(f"{ledger}.json").read_text()),
        "exit_code": code,
        "cpu_us_whole_life": cpu_us,
        "resident_kib": {"before": resident, "after": after},
        "durability": chosen.durability,
        **machine(),
    }
    print(f"collector: exit code {code}, resident {resident:,} KiB before, {after:,} KiB after")
    return held or (1 if code else 0), result


def leave(process: Process) -> None:
    with contextlib.suppress(OSError):
        process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--rate", type=float, default=4000.0)
    parser.add_argument("--mix", default="")
    parser.add_argument("--domains", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--durability", choices=("sync", "write"), default="sync")
    parser.add_argument("--workers", type=int, default=0, help="0: one per core")
    parser.add_argument("--keep", type=Path, help="work here and keep it, instead of a temporary directory")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "roundtrip-latest.json")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        directory = chosen.keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="pentrap-load-"))
        )
        directory.mkdir(parents=True, exist_ok=True)
        try:
            code, result = run(chosen, directory)
        except (StartError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            return 1
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(result, indent=1) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
