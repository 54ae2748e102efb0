"""`make demo` in its short form: what it prints is what the files say, and whatever happens it leaves nothing running."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Self

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

from collector.ground.process import holder

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "deploy/PARTNERS.md").read_text()
SHORT = ("--check-ins", "1500", "--rate", "500")
SECONDS = 150
STRANGER = "127.64.9.9"
"""No machine of the fleet has this address."""


class Demo:
    """A demo under way, in a folder of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.said = folder.with_suffix(".txt")
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "loadtest/demo.py", *SHORT, "--to", folder, *words],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PENTRAP_DATA_DIR": str(folder.parent / "elsewhere")},
            )

    @property
    def text(self) -> str:
        return self.said.read_text()

    def until(self, words: str) -> None:
        """Wait until it has said this."""
        end = time.monotonic() + SECONDS
        while words not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < end, self.text
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()  # a demo that is told so ends whatever it started
        self.process.wait(SECONDS)

    def end(self) -> int:
        return self.process.wait(SECONDS)

    def ports(self) -> list[int]:
        settings = (self.folder / "operator/pentrap.toml").read_text()
        return sorted({int(port) for port in re.findall(r"[\]\d]:(\d+)\"", settings)})

    def nothing_runs(self) -> bool:
        """No process has the folder's lock or in its command line, and nobody listens."""
        named = [
            path
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if str(self.folder).encode() in _read(path) and path.parent.name != str(os.getpid())
        ]
        return (
            not named
            and holder(self.folder / "operator/data/lock") is None
            and not any(map(_open, self.ports()))
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _open(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """One that went well and was kept; meanwhile a visitor followed the partners' guide. It ended by Ctrl-C."""
    with Demo(tmp_path_factory.mktemp("demo") / "story", "--keep") as demo:
        demo.until("until you press Ctrl-C")
        demo.visited = visit(demo)
        demo.process.send_signal(signal.SIGINT)
        assert demo.end() == 0, demo.text
    return demo


def visit(demo: Demo) -> str:
    """The guide's first block, which fetches, and its first look, in the visitor's folder; what they say."""
    (fetch, look) = (
        re.search(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)[1]
        for language in ("sh", "sql")
    )
    (address,) = re.findall(r"your\s+address\s+is\s+(http://[\d.:]+)", demo.text)
    script = f"{fetch.replace('https://collector.example:8444', address)}python - <<'END'\n"
    script += f'import duckdb\nduckdb.sql("""{look}""").show()\nEND\n'
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["sh", "-e"], input=script, cwd=demo.folder / "visitor", env=os.environ | {"PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def number(text: str) -> int:
    return int(text.replace(",", ""))


def rows(folder: Path, pattern: str, *columns: str):
    return ds.dataset(sorted(map(str, folder.glob(pattern)))).to_table(columns=list(columns) or None)


def test_what_it_prints_is_what_the_files_say(told):
    """Check-ins made, recorded, delivered, withheld, families, audit entries: each printed figure is found again in ledger,
    Parquet, manifests and log, counted here anew.
    """
    text, operator = told.text, told.folder / "operator"
    made = len((told.folder / "botnet/ledger.csv").read_text().splitlines()) - 1
    events = rows(operator, "data/segments/*/*.parquet", "family", "order_id")
    shown = re.search(
        r"made +([\d,]+) check-ins.*\n +accepted +([\d,]+) = recorded ([\d,]+) \+ suppressed ([\d,]+) \+ rejected ([\d,]+)",
        text,
    )
    assert [number(one) for one in shown.groups()][:3] == [made, made, len(events)]
    assert sum(map(number, shown.groups()[2:])) == made == 1500
    families = Counter(events.filter(pc.equal(events["order_id"], "avalanche-1"))["family"].to_pylist())
    printed = {
        name: int(count) for name, count in re.findall(r"^([a-z]+),(\d+),\d+,\d+$", text, re.MULTILINE)
    }
    assert printed == families
    assert list(printed.values()) == sorted(printed.values(), reverse=True)
    manifests = [json.loads(path.read_text()) for path in operator.glob("data/exports/*/*/manifest.json")]
    assert len(manifests) == 3
    (shown,) = re.findall(r"= delivered ([\d,]+) \+ withheld ([\d,]+) \(filtered", text)
    for manifest in manifests:
        assert manifest["rows"]["recorded"] == len(events)
        assert manifest["rows"]["delivered"] == number(shown[0])
        assert sum(manifest["rows"]["withheld"].values()) == number(shown[1]) > 0
        for file in manifest["files"]:
            assert f"{file['name']}  {file['rows']:,} rows" in text
    log = [json.loads(line)["event"] for line in (operator / "data/audit/log.jsonl").read_text().splitlines()]
    log = log[
        : [place for place, event in enumerate(log) if event == "credential_changed"][2]
    ]  # the visitor's
    entries = {
        name: int(count) for name, count in re.findall(r"^│ ([a-z_]+) +│ +(\d+) │ \d{4}-", text, re.MULTILINE)
    }
    assert entries == Counter(log)


def test_verify_says_once_that_a_day_is_not_sealed(told):
    """`pentrap verify` of a day that is not over: one line for all its segments, however many there are."""
    (count,) = re.findall(r"note: segments/date=\S+ (\d+) named by no marker", told.text)
    assert int(count) == len(list(told.folder.glob("operator/data/segments/*/*.parquet"))) > 1


def test_partners_have_theirs_only(told):
    """What was pulled is what was published; Shadowserver has every row of its order, the CERT its country's of both orders."""
    for partner, given in (("shadowserver", {"avalanche-1"}), ("cert-de", {"avalanche-1", "zeroaccess-1"})):
        published = sorted((told.folder / "operator/data/exports" / partner).glob("[0-9]*/*"))
        pulled = told.folder / partner / "publications"
        assert len(published) >= 9
        for path in published:
            assert (pulled / path.parent.name / path.name).read_bytes() == path.read_bytes()
        events = rows(told.folder, f"{partner}/publications/*/*-events-*.parquet")
        assert set(events["order_id"].to_pylist()) == given
        countries = set(events["src_geo"].to_pylist())
        assert countries == {"DE"} if partner == "cert-de" else countries > {"DE", "FR", None}
    everything = rows(told.folder, "operator/data/segments/*/*.parquet", "order_id")["order_id"].to_pylist()
    given = rows(told.folder, "shadowserver/publications/*/*-events-*.parquet")
    assert len(given) == everything.count("avalanche-1")
    assert {"scanner", "researcher", None} >= set(given["mark"].to_pylist()) > {None}


def test_a_visitor_can_follow_the_guide(told):
    """With --keep the guide's first command fetches, and its first query answers, as they stand there but for the address."""
    assert "1 new publications, 7 files" in told.visited
    hosts = rows(
        told.folder, "visitor/publications/000001/*-hosts-*.parquet", "src_geo", "family", "check_ins"
    )
    counted = Counter(zip(hosts["src_geo"].to_pylist(), hosts["family"].to_pylist(), strict=True))
    shown = re.findall(r"^│ ([A-Z]+) +│ ([a-z]+) +│ +(\d+) │ +\d+ │$", told.visited, re.MULTILINE)
    assert len(shown) == 20
    for country, family, count in shown:
        assert counted[None if country == "NULL" else country, family] == int(count)


def test_it_reads_well_in_a_pipe(told):
    """No colours, nothing wider than 100 columns, every command before its output; neither token is told."""
    assert "\x1b" not in told.text
    assert "\r" not in told.text
    assert max(map(len, told.text.splitlines())) <= 100
    for verb in ("check", "serve", "status", "order show", "open", "export", "partner add", "pull", "verify"):
        assert re.search(rf"^[a-z-]+\$ .*pentrap {verb}", told.text, re.MULTILINE), verb
    assert "ledger and rows agree" in told.text
    for token in told.folder.glob("*/token"):
        assert token.read_text().strip() not in told.text


def test_afterwards_nothing_runs_and_the_folder_is_kept(told):
    """The collector has stopped cleanly, nobody listens, and the same folder is not written over."""
    assert told.nothing_runs()
    assert not list((told.folder / "operator/data/journal").glob("*/*.journal"))
    assert not (told.folder.parent / "elsewhere").exists()
    again = subprocess.run(
        [sys.executable, ROOT / "loadtest/demo.py", "--to", told.folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 2
    assert "remedy: name one that does not exist" in again.stderr


def test_a_row_too_many_is_found(tmp_path):
    """A stranger checks in for a listed domain while the botnet does: a row without an entry in the ledger, exit 1."""
    with Demo(tmp_path / "story", "--check-ins", "300", "--rate", "200") as demo:
        demo.until("fleet.py")
        schedule = (demo.folder / "operator/operations/avalanche.csv").read_text()
        host = schedule.splitlines()[1].partition(",")[0]
        with socket.socket() as stranger:
            stranger.bind((STRANGER, 0))
            stranger.connect(("127.0.0.1", demo.ports()[0]))
            stranger.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert stranger.recv(4096).startswith(b"HTTP/1.1 200")
        assert demo.end() == 1
    assert "unexpected 1" in demo.text
    assert "DOES NOT HOLD" in demo.text
    assert "All of it holds" not in demo.text
    assert demo.nothing_runs()


@pytest.mark.parametrize(
    ("after", "number"),
    [("fleet.py", signal.SIGINT), ("pentrap serve", signal.SIGTERM)],
    ids=["botnet-ctrl-c", "start-terminated"],
)
def test_interrupted_it_stops_everything(tmp_path, after, number):
    """Ctrl-C while the botnet checks in, an end from outside while the collector starts: all that was started ends; 130."""
    with Demo(tmp_path / "story", "--rate", "50") as demo:
        demo.until(after)
        time.sleep(0.5)
        demo.process.send_signal(number)
        assert demo.end() == 130
    assert demo.nothing_runs()
