"""Pictures of the status page, of real collectors: healthy, empty and in trouble; into deploy/screenshots/.

    python loadtest/screenshots.py [--only healthy] [--seconds 60]      needs chromium and faketime; trouble needs root too

empty     a collector that has just been started
healthy   one that was installed nine days ago (faketime), has a day behind it (bed/past.py), exports its days and has them
          pulled by three partners, while the fleet checks in
trouble   the same on a small disk that fills up under load, so that nothing is recorded and no day goes out; its order ends in
          two days, and the return of the one before is due

What is seen is what the collectors say; nothing is drawn here. Inter (Debian: fonts-inter) makes it look as on most screens;
where pngquant is installed the files are a third as large. Some four minutes in all.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "manage")]

from bed.names import bench_rows  # noqa: E402
from bed.past import COUNTRIES, write_past  # noqa: E402
from browser import CHROMIUM, chromium  # noqa: E402
from collectors import PENTRAP, SCHEDULE_HEADER, Collector, write_operation  # noqa: E402
from databases import database  # noqa: E402
from ordeals.disk import fill, small_disk  # noqa: E402

PICTURES = ROOT / "deploy" / "screenshots"
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
PARTNERS = ("cert-bund", "fkie", "shadowserver")
DAYS_BACK = 9
PER_MINUTE = 1200
"""Check-ins of the past, and of the fleet."""
DISK_MB = 160
SEED = 20261122
STAMP = "%Y-%m-%dT%H:%M:%SZ"
PARTNER_TABLE = """[[partner]]
name = "{}"
contact = "duty desk"
purpose = "warn the owners of infected machines"
datasets = ["events", "hosts"]
formats = ["parquet"]
retention_days = 90
"""


class Picture(NamedTuple):
    """One file: which scene, how wide and high the window is, by day or by night."""

    name: str
    scene: str
    width: int
    height: int
    scheme: str


SHOTS = (
    Picture("healthy", "healthy", 1440, 900, "light"),
    Picture("healthy-wall", "healthy", 1920, 1080, "dark"),
    Picture("healthy-phone", "healthy", 390, 844, "light"),
    Picture("empty", "empty", 1440, 900, "light"),
    Picture("trouble", "trouble", 1440, 900, "light"),
    Picture("trouble-dark", "trouble", 1440, 900, "dark"),
    Picture("trouble-phone", "trouble", 390, 844, "dark"),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=sorted(SCENES), action="append", help="default: all")
    parser.add_argument(
        "--seconds", type=float, default=60, help="how long the fleet checks in before a picture"
    )
    chosen = parser.parse_args()
    if CHROMIUM is None or FAKETIME is None:
        print(
            "screenshots: chromium and faketime are needed: apt-get install chromium faketime",
            file=sys.stderr,
        )
        return 2
    PICTURES.mkdir(exist_ok=True)
    for name in chosen.only or SCENES:
        with (
            tempfile.TemporaryDirectory(prefix="pentrap-page-") as folder,
            SCENES[name](Path(folder), chosen.seconds) as made,
        ):
            print(f"{name}: {json.loads(made.get('/status.json'))['verdict']}", file=sys.stderr)
            shoot(made, [picture for picture in SHOTS if picture.scene == name])
    return 0


def shoot(made: Collector, pictures: list[Picture]) -> None:
    """The whole page, as it is now."""
    with chromium() as browser:
        for picture in pictures:
            page = browser.new_page(
                viewport={"width": picture.width, "height": picture.height}, color_scheme=picture.scheme
            )
            page.goto(f"http://127.0.0.1:{made.manage_port}/")
            path = PICTURES / f"status-{picture.name}.png"
            page.screenshot(path=path, full_page=True)
            page.close()
            if shutil.which("pngquant"):
                subprocess.run(
                    ["pngquant", "--force", "--skip-if-larger", "--strip", "--output", path, "128", path],
                    check=False,
                )
            print(f"  {path.relative_to(ROOT)}  {path.stat().st_size:,} bytes", file=sys.stderr)


def site(folder: Path, *, ends: datetime, before: bool, data: Path | None = None) -> Collector:
    """A collector for three partners, with an order that ends then; `before`: another was over 26 days ago."""
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    orders = order("avalanche-2", now - timedelta(days=26), ends)
    orders += "".join(f'[[order.annex]]\npartner = "{name}"\ntlp = "AMBER"\n' for name in PARTNERS)
    if before:
        orders += order("avalanche-1", now - timedelta(days=86), now - timedelta(days=26))
    rows = "".join(
        f"{row.domain},{row.family},redirect,example-registry,,\n" for row in bench_rows(400, SEED)
    )
    write_operation(folder / "operations", name="avalanche", schedule=SCHEDULE_HEADER + rows, orders=orders)
    (folder / "partners.toml").write_text("".join(map(PARTNER_TABLE.format, PARTNERS)))
    networks = {f"{octet}.0.0.0/8": {"country": {"iso_code": code}} for octet, code in COUNTRIES.items()}
    database(folder / "geo.mmdb", networks | {"127.64.0.0/30": {"country": {"iso_code": "LI"}}}, version=4)
    made = Collector(folder)
    made.settings = {
        "sensor": "sinkhole-1",
        "intake.workers": 2,
        "intake.durability": "sync",
        "segments.seal_seconds": 2,
        "export.at": "00:00",
        "export.geo_db": "geo.mmdb",
    }
    if data is not None:
        made.settings["data_dir"], made.data = str(data), data
    return made


def order(name: str, starts: datetime, ends: datetime) -> str:
    return f"""
[[order]]
id = "{name}"
kind = "pen-trap"
docket = "0:00-mc-00000"
issued = {starts:{STAMP}}
starts = {starts:{STAMP}}
ends = {ends:{STAMP}}
officers = ["officer"]
fields = []
retention_days = 90
"""


def install_days_ago(made: Collector) -> None:
    """A first run, nine days ago by the collector's clock."""
    made.environment = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": f"-{DAYS_BACK}d",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    made.start()
    assert made.stop() == 0, made.log_file.read_text()
    made.environment = {}


@contextmanager
def fleet(made: Collector, folder: Path, seconds: float) -> Iterator[None]:
    """The fleet checks in for a while; then the picture, while it still does."""
    command = [
        sys.executable, str(ROOT / "loadtest" / "fleet.py"), "--target", f"127.0.0.1:{made.port}",
        "--operation", str(folder / "operations" / "avalanche.toml"), "--count", str(int(PER_MINUTE / 60 * (seconds + 60))),
        "--rate", str(PER_MINUTE / 60), "--ledger", str(folder / "fleet.csv"), "--json",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def empty(folder: Path, _: float) -> Iterator[Collector]:
    """A new one, nobody has come yet."""
    made = Collector(folder)
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    write_operation(folder / "operations", name="example", starts=now, ends=now + timedelta(days=30))
    made.settings = {"sensor": "sinkhole-1", "intake.workers": 2}
    with made.start():
        time.sleep(2)
        yield made


@contextmanager
def healthy(folder: Path, seconds: float) -> Iterator[Collector]:
    """Nine days old, and all is well."""
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    made = site(folder, ends=now + timedelta(days=34), before=False)
    install_days_ago(made)
    write_past(made.data, "sinkhole-1", PER_MINUTE * 0.8, 60_000, SEED)
    with made.start(), fleet(made, folder, seconds):
        until(lambda: all(len(list(made.data.glob(f"exports/{name}/0*"))) >= 7 for name in PARTNERS), 120)
        for name in PARTNERS:
            pull(made, folder, name)
        time.sleep(seconds)
        yield made


@contextmanager
def trouble(folder: Path, seconds: float) -> Iterator[Collector]:
    """A full disk and what follows from it."""
    if os.geteuid():
        raise SystemExit("screenshots: a small disk (tmpfs) wants root")
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with small_disk(folder / "disk", DISK_MB) as disk:
        made = site(folder, ends=now + timedelta(days=2), before=True, data=disk / "data")
        install_days_ago(made)
        write_past(made.data, "sinkhole-1", PER_MINUTE * 0.8, 60_000, SEED, gap=range(360, 420))
        with made.start(), fleet(made, folder, seconds):
            time.sleep(seconds / 2)
            end = time.monotonic() + seconds
            while time.monotonic() < end:  # what the collector frees is taken again
                fill(disk / "ballast")
                time.sleep(0.05)
            yield made


def pull(made: Collector, folder: Path, partner: str) -> None:
    """A token, and everything fetched with it."""
    config = ["--config", str(made.config)]
    added = subprocess.run(
        [PENTRAP, "partner", "add", *config, "--json", partner], check=True, capture_output=True, text=True
    )
    token = folder / f"{partner}.token"
    token.touch(0o600)
    token.write_text(json.loads(added.stdout)["token"] + "\n")
    time.sleep(1)
    subprocess.run(
        [PENTRAP, "pull", "--token-file", token, "--trust-first-use", "--to", folder / partner, f"http://127.0.0.1:{made.pull_port}"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def until(true: Callable[[], bool], seconds: float) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit("screenshots: it does not come to pass")
        time.sleep(0.2)


SCENES = {"empty": empty, "healthy": healthy, "trouble": trouble}

if __name__ == "__main__":
    sys.exit(main())
