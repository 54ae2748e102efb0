"""Build the image, run it as production does, load it, stop it under load, start it again, and reconcile to the unit.

    make image-test                              # a base by debootstrap, the build, the run: some ten minutes; wants root
    .venv/bin/python loadtest/image.py --image localhost/pentrap:0.1.0 --storage FOLDER     # an image that stands there

deploy/pentrap.production.toml is mounted as it stands; three settings are overridden by environment: a UDP listener more, seals
after 5 s, and no demand for a synchronised clock, which a test machine seldom has. Result: loadtest/results/image-latest.json;
exit 1 where anything does not hold.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[1:1] = [str(ROOT / "tests")]

from bed.names import bench_rows  # noqa: E402
from bed.rows import events, read_arrow, segment_files  # noqa: E402
from bed.site import OPERATION, operation_text, write_schedule  # noqa: E402
from clients.ledger import read_ledger  # noqa: E402
from ordeals import container, world  # noqa: E402
from ordeals.container import Container  # noqa: E402
from ordeals.prometheus import Prometheus  # noqa: E402

LISTEN = ["tcp://0.0.0.0:80", "tcp://[::]:80", "tcp://0.0.0.0:443", "tcp://[::]:443", "udp://0.0.0.0:16464"]
TARGETS = ["tcp://127.0.0.1:80", "tcp://127.0.0.1:80", "tcp://[::1]:80", "tcp://127.0.0.1:443"]
METRICS = "http://127.0.0.1:9464/metrics"
PARTNER = """[[partner]]
name = "example-cert"
contact = "duty desk <soc@cert.example>"
purpose = "warn the owners of infected machines"
datasets = ["events", "hosts"]
formats = ["parquet", "shadowserver-csv", "ocsf-parquet"]
retention_days = 90
"""
ANNEX = """
[[order.annex]]
partner = "example-cert"
columns = []
families = []
countries = []
networks = []
tlp = "AMBER"
"""
NO_CAPABILITIES = "0" * 16


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", help="an image in --storage; built unless named")
    parser.add_argument("--base", help="its base image; made by debootstrap unless named")
    parser.add_argument(
        "--storage", type=Path, default=HERE / "build" / "containers", help="images live here"
    )
    parser.add_argument("--count", type=int, default=30_000, help="check-ins of each of the two loads")
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--domains", type=int, default=20_000)
    parser.add_argument("--no-result", action="store_true", help="do not write to loadtest/results")
    return parser.parse_args()


def build(chosen: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The image's name, and what building it took."""
    if chosen.image:
        return chosen.image, {}
    name, buildah = "localhost/pentrap:image-test", " ".join(["buildah", *container.storage(chosen.storage)])
    base, began = chosen.base, time.monotonic()
    if not base:
        base = "localhost/debian:bookworm"
        subprocess.run(
            [ROOT / "deploy/image/base.sh", base], env=os.environ | {"BUILDAH": buildah}, check=True
        )
    based = time.monotonic()
    subprocess.run(
        [ROOT / "deploy/image/build.sh", name],
        env=os.environ | {"BUILDER": buildah, "BASE": base},
        check=True,
    )
    return name, {
        "base_seconds": round(based - began, 1),
        "build_seconds": round(time.monotonic() - based, 1),
    }


def facts(image: str, storage: list[str]) -> dict[str, Any]:
    """What the image says of itself, and what is in it."""
    inspected = json.loads(subprocess.check_output(["podman", *storage, "image", "inspect", image]))[0]
    with tempfile.TemporaryDirectory(prefix="pentrap-image-") as folder:
        archive = Path(folder) / "image.tar"
        subprocess.run(["podman", *storage, "save", "--quiet", "--output", str(archive), image], check=True)
        compressed = int(subprocess.check_output(f"gzip -6 < {archive} | wc -c", shell=True))
    where = subprocess.check_output(["podman", *storage, "image", "mount", image], text=True).strip()
    try:
        root = Path(where)
        bill = json.loads((root / "usr/share/pentrap/sbom.cdx.json").read_text())
        programs = sorted(str(path.relative_to(root)) for path in (root / "usr/bin").iterdir())
        privileged = [
            str(path) for path in root.rglob("*") if path.is_file() and path.lstat().st_mode & 0o6000
        ]
    finally:
        subprocess.run(["podman", *storage, "image", "unmount", image], check=True, stdout=subprocess.DEVNULL)
    labels = {
        key.rpartition(".")[2]: value for key, value in inspected["Labels"].items() if "opencontainers" in key
    }
    config = inspected["Config"]
    return {
        "megabytes": round(inspected["Size"] / 1e6, 1),
        "megabytes_gzip": round(compressed / 1e6, 1),
        "labels": labels,
        "user": config["User"],
        "entrypoint": config["Entrypoint"],
        "command": config["Cmd"],
        "volumes": list(config["Volumes"]),
        "health_check": inspected["HealthCheck" if "HealthCheck" in inspected else "Healthcheck"]["Test"],
        "programs": programs,
        "set_uid_files": privileged,
        "bill": {"format": f"{bill['bomFormat']} {bill['specVersion']}", "components": len(bill["components"]),
                 "of": f"{bill['metadata']['component']['name']} {bill['metadata']['component']['version']}"},
    }  # fmt: skip


def write_config(folder: Path, domains: int, seed: int) -> Path:
    """/etc/pentrap of the test, as an operator makes it; the operation file."""
    subprocess.run([ROOT / "deploy" / "prepare.sh", folder, "pull.example"], check=True)
    write_schedule(folder / "operations" / "schedule.csv", bench_rows(domains, seed))
    operation = folder / "operations" / f"{OPERATION}.toml"
    operation.write_text(operation_text("schedule.csv", [("udp", 16464, "zeroaccess")], volume=False) + ANNEX)
    (folder / "partners.toml").write_text(PARTNER)
    return operation


def fleet(
    network: str, operation: Path, ledger: Path, chosen: argparse.Namespace, *words: str
) -> subprocess.Popen[bytes]:
    """Infected machines within the container's network."""
    command = [
        "nsenter",
        f"--net={network}",
        sys.executable,
        str(HERE / "fleet.py"),
        f"--operation={operation}",
    ]
    command += [f"--ledger={ledger}", f"--count={chosen.count}", f"--rate={chosen.rate}", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def finish(load: subprocess.Popen[bytes]) -> None:
    """Wait for a load to end. Raises RuntimeError where it failed."""
    if load.wait():
        raise RuntimeError(f"the fleet ended with {load.returncode}")


def scraped(watching: Prometheus, made: int) -> dict[str, Any]:
    """What Prometheus saw of the load, and whether it was all of it."""
    found = {
        "accepted": watching.wait("sum(pentrap_checkins_accepted_total)", made),
        "fates_and_open": watching.value("sum(pentrap_checkins_total) + sum(pentrap_checkins_open)"),
        "up": watching.value('up{job="pentrap"}'),
        "scrapes": watching.value("count_over_time(pentrap_checkins_open[10m])"),
        "release": watching.value("count(pentrap_build_info{revision!=''})"),
    }
    holds = found["accepted"] == found["fates_and_open"] == made and found["up"] == found["release"] == 1
    return found | {"holds": holds}


def confinement(running: Container) -> dict[str, Any]:
    """What the kernel says of the container's processes, and whether any of it is more than it should be."""
    processes, mounts = running.processes(), running.mounts()
    writable = sorted(point for point, options in mounts.items() if "rw" in options
                      and not point.startswith(("/proc", "/dev", "/sys")))  # fmt: skip
    found = {
        "processes": len(processes),
        "users": sorted({process["Uid"] for process in processes}),
        "capabilities": sorted(
            {process[name] for process in processes for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")}
        ),
        "no_new_privileges": sorted({process["NoNewPrivs"] for process in processes}),
        "seccomp_filters": sorted({int(process["Seccomp_filters"]) for process in processes}),
        "root": mounts["/"][0],
        "writable_mounts": writable,
        "cage_incomplete_logged": "cage_incomplete" in running.log(),
    }
    user = "\t".join([str(container.UID)] * 4)
    holds = (
        found["users"] == [user]
        and found["capabilities"] == [NO_CAPABILITIES]
        and found["no_new_privileges"] == ["1"]
        and found["root"] == "ro"
        # /etc/hosts and the like are podman's own small files; it mounts them for its own container alone.
        and {"/tmp", "/var/lib/pentrap"} <= set(writable)
        and all(
            point in ("/tmp", "/var/lib/pentrap") or point.startswith(("/etc/", "/run/"))
            for point in writable
        )
        and not found["cage_incomplete_logged"]
    )
    return found | {"holds": holds}


def officers(running: Container) -> dict[str, Any]:
    """Every kind of work that the slim image must still be able to do, each a command in the container."""
    today = datetime.now(UTC).date().isoformat()
    unfinished = {"PENTRAP_EXPORT__UNFINISHED_DAYS": "true"}
    runs = {
        "check": running.pentrap("check"),
        "status": running.pentrap("status"),
        "order show": running.pentrap("order show"),
        "partner add": running.pentrap("partner add", "example-cert"),
        "export": running.pentrap("export", "--date", today, environment=unfinished),
        "open": running.pentrap(
            "open", "--order", f"{OPERATION}-1", "--reason", "image test", "-c", "SELECT count(*) FROM events"
        ),
        "purge": running.pentrap("purge"),
    }
    told = {
        name: {"exit": done.returncode, "stderr": done.stderr.strip()[-600:]} for name, done in runs.items()
    }
    return {"commands": told, "opened": runs["open"].stdout.strip().splitlines()[-1:],
            "holds": not any(done.returncode for done in runs.values())}  # fmt: skip


def reconcile(data: Path, ledgers: list[Path], *words: str) -> dict[str, Any]:
    """What loadtest/reconcile.py says."""
    command = [
        sys.executable,
        str(HERE / "reconcile.py"),
        f"--data={data}",
        "--json",
        *words,
        *map(str, ledgers),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def run(image: str, chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The story, and what came of it."""
    config, data = folder / "config", folder / "data"
    data.mkdir(mode=0o700)
    os.chown(data, container.UID, container.UID)
    operation = write_config(config, chosen.domains, chosen.seed)
    ledgers = [folder / "steady.csv", folder / "stopped.csv"]
    environment = {
        "PENTRAP_INTAKE__LISTEN": json.dumps(LISTEN),
        "PENTRAP_INTAKE__REQUIRE_CLOCK_SYNC": "false",
        "PENTRAP_SEGMENTS__SEAL_SECONDS": "5",
    }
    with container.network() as network:
        running = Container(image, container.storage(chosen.storage), config, data, network, environment)
        try:
            running.create()
            result: dict[str, Any] = {"healthy_after_seconds": running.wait_healthy()}
            result["confinement"] = confinement(running)
            words = [f"--target={target}" for target in (*TARGETS, "udp://127.0.0.1:16464")]
            watching = Prometheus(network)
            with watching.running(folder / "prometheus"):
                finish(
                    fleet(network, operation, ledgers[0], chosen, *words, f"--metrics={METRICS}", "--seed=1")
                )
                result["prometheus"] = scraped(watching, chosen.count)
            result["officers"] = officers(running)
            result["clean_stop"] = dict(zip(("seconds", "exit"), running.stop(), strict=True))
            result["steady"] = reconcile(data, ledgers[:1])
            running.start()
            running.wait_healthy()
            words = [f"--target={target}" for target in TARGETS]
            load = fleet(network, operation, ledgers[1], chosen, *words, f"--mix={world.MIX}", "--seed=2")
            time.sleep(chosen.count / chosen.rate / 3)
            result["stop_under_load"] = dict(zip(("seconds", "exit"), running.stop(), strict=True))
            running.start()
            result["healthy_again_after_seconds"] = running.wait_healthy()
            finish(load)
            result["last_stop"] = dict(zip(("seconds", "exit"), running.stop(), strict=True))
            result["log_lines"] = running.log().count("\n")
        except BaseException:
            with contextlib.suppress(RuntimeError):
                print(running.log()[-3000:], file=sys.stderr)
            raise
        finally:
            running.remove()
    result["across_the_stop"] = reconcile(data, ledgers, "--killed")
    result["books"] = books(data, ledgers)
    stops = [result[name] for name in ("clean_stop", "stop_under_load", "last_stop")]
    result["holds"] = all(
        (
            result["confinement"]["holds"],
            result["officers"]["holds"],
            result["prometheus"]["holds"],
            result["steady"]["holds"],
            result["across_the_stop"]["holds"],
            result["books"]["holds"],
            all(stop["exit"] == 0 and stop["seconds"] < container.GRACE_SECONDS for stop in stops),
        )
    )
    return result


def books(data: Path, ledgers: list[Path]) -> dict[str, Any]:
    """What the collector's runs said of themselves when they stopped, against rows and ledgers."""
    runs = world.audit(data, "stopped")
    rows = events(read_arrow(segment_files(data)))
    hows: dict[str, int] = {}
    for entry in (entry for path in ledgers for entry in read_ledger(path)):
        hows[entry.how] = hows.get(entry.how, 0) + 1
    recorded = sum(entry["recorded"] for entry in runs)
    balanced = all(entry["accepted"] == sum(entry["fates"].values()) + entry["open"] for entry in runs)
    accepted = sum(entry["accepted"] for entry in runs)
    return {
        "runs": [{name: entry[name] for name in ("accepted", "open", "clean", "recorded")} for entry in runs],
        "accepted_by_all_runs": accepted,
        "ended_in_order_or_sent": hows.get("fin", 0) + hows.get("sent", 0),
        "recorded_by_all_runs": recorded,
        "rows": len(rows),
        "clients_ended": hows,
        "holds": recorded == len(rows)
        and accepted == hows.get("fin", 0) + hows.get("sent", 0)
        and balanced
        and all(entry["clean"] and not entry["open"] for entry in runs),
    }


def main() -> int:
    chosen = arguments()
    if missing := container.missing_programs():
        print(
            f"image.py: not installed: {' '.join(missing)} (Debian's buildah, podman, runc, debootstrap, iproute2, prometheus)",
            file=sys.stderr,
        )
        return 2
    world.more_descriptors()
    chosen.storage.mkdir(parents=True, exist_ok=True)
    image, building = build(chosen)
    with tempfile.TemporaryDirectory(prefix="pentrap-image-") as folder:
        Path(folder).chmod(0o755)
        told = {
            "command": sys.argv,
            "machine": world.machine(),
            "revision": world.revision(),
            "building": building,
            "image": facts(image, container.storage(chosen.storage)),
            **run(image, chosen, Path(folder)),
        }
    if not chosen.no_result:
        print(world.write_result("image-latest.json", told), file=sys.stderr)
    print(json.dumps(told, indent=1))
    return 0 if told["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
