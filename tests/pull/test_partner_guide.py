"""deploy/PARTNERS.md followed word for word, against a small day that is really exported and really served."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from guide import ADDRESS, GUIDE, Desk, blocks
from guide_world import LATE, PROBER, ROWS, served_day

from collector.cli import parser
from collector.exports import schema
from collector.exports.kinds import Kind

RIGHT = ROWS + LATE - len(range(2, ROWS + LATE, 9))
"""Rows without those of the third of nine hosts."""
ROOT = Path(__file__).resolve().parents[2]
OPERATORS_PAGE = ROOT / "deploy/README.md"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    served = served_day(tmp_path_factory.mktemp("collector"))
    served.start()
    yield Desk(tmp_path_factory.mktemp("partner"), served)
    served.stop()
    served.loop.stop()


def test_the_shell_blocks_run(desk):
    """Fetching, verifying, curl and ssh-keygen, the hand-over to IntelMQ and the lake's layout do what is said of them."""
    assert "3 new publications" in desk.said
    assert "WITHDRAWN" in desk.said
    assert 'Good "pentrap-export" signature for pentrap' in desk.said
    assert "304" in desk.said
    assert "PAR1" in desk.said
    assert "FAIL" not in desk.said
    assert "ok    publications " + str(desk.folder / "by-hand") in desk.said
    handed = sorted(path.name for path in (desk.folder / "intelmq").iterdir())
    assert len(handed) == 8
    # IntelMQ's own pattern tells the report by the name.
    pattern = re.compile(r"^(?:\d{4}-\d{2}-\d{2}-)?(\w+)(-\w+)*\.csv$")
    assert {pattern.search(name)[1] for name in handed} == set(schema.REPORTS)
    laid = list((desk.folder / "publications/security-lake").rglob("*.parquet"))
    assert {path.parent.name for path in laid} == {"eventDay=20261122"}
    assert len(laid) == 2
    assert desk.token not in desk.said


def test_the_client_that_the_guide_installs_is_what_the_operator_makes(tmp_path):
    """The command of deploy/README.md makes the file that the guide names, and the program runs from it alone."""
    (block,) = blocks("sh", "install")
    (command,) = re.findall(
        r"^    \.venv/bin/(pip wheel .*) --wheel-dir dist \.$", OPERATORS_PAGE.read_text(), re.MULTILINE
    )
    source = tmp_path / "source"  # building leaves folders beside what it builds
    source.mkdir()
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "collector", source / "collector")
    make = [sys.executable, "-m", *command.split(), "--wheel-dir", tmp_path, source]
    subprocess.run(make, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert f"pip install ./{wheel.name}\n" in block.text
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "collector.cli", "pull", "--help"],
        check=True, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(wheel)},
    )  # fmt: skip
    assert "--trust-first-use" in ended.stdout
    facts = zipfile.Path(wheel, f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info/")
    assert "pentrap = collector.cli:main" in (facts / "entry_points.txt").read_text()


def test_the_sql_blocks_run(desk):
    """Each block of SQL runs in DuckDB in turn; events add up and hosts replace, as the guide says."""
    steps = [desk.here(one.text) for one in blocks("sql", "")]
    assert len(steps) >= 5
    count = "SELECT (SELECT count(*) FROM events), (SELECT sum(check_ins)::BIGINT FROM hosts),"
    count += f" (SELECT count(*) FROM events WHERE src_ip = '{PROBER}')"
    run = f"import duckdb\nfor step in {steps!r}:\n    duckdb.execute(step).fetchall()\n"
    text = run + f"print(duckdb.execute({count!r}).fetchall())"
    assert f"[({RIGHT}, {RIGHT}, 0)]" in desk.python(text)


def test_the_python_blocks_run(desk):
    """DuckDB shows rows in UTC wherever the machine is; pandas and Polars read every row of events; what is due for deletion is
    deleted, hard links included, and it verifies afterwards.
    """
    look, *texts, delete = [one.text for one in blocks("python", "")]
    assert len(texts) == 2
    shown = desk.python(look)
    assert "+00" in shown
    assert "-05" not in shown
    for text in texts:
        counted = "len(events if hasattr(events, 'index') else events.collect())"
        said = desk.python(text + f"print('rows:', {counted})")
        assert "tinba" in said
        assert f"rows: {RIGHT}" in said
    places = ("publications", "intelmq", "handed-over")
    before = sorted(path for place in places for path in (desk.folder / place).rglob("*"))
    desk.python(delete)
    assert sorted(path for place in places for path in (desk.folder / place).rglob("*")) == before
    later = delete.replace("today = datetime.now(UTC).date()", "today = date(2099, 1, 1)")
    assert later != delete
    desk.python(later)
    left = {path.name for place in places for path in (desk.folder / place).rglob("*") if path.is_file()}
    assert left == {"manifest.json", "manifest.json.sig", "SHA256SUMS", ".lock"}


def test_configuration_blocks_are_what_they_say():
    """The cron line has options that exist; the YAML is YAML, and leads from collector to parser."""
    (cron,) = blocks("cron")
    words = cron.text.split("&& venv/bin/pentrap ", 1)[1].split()
    assert parser().parse_args(words).url == ADDRESS
    (bots,) = [yaml.safe_load(one.text) for one in blocks("yaml")]
    assert bots["pentrap-collector"]["parameters"]["path"].endswith("/")
    assert {one.partition("-")[0] for one in bots} == {"pentrap"}


def test_no_block_is_of_another_kind():
    """Every fence is one that a test runs or reads; `httpfs` and `spark` are run by loadtest/readers.py."""
    assert {one.language for one in blocks()} == {"sh", "sql", "python", "yaml", "cron"}
    assert {one.needs for one in blocks()} == {"", "install", "httpfs", "spark"}
    assert GUIDE.read_text().count("```") == 2 * len(blocks())


@pytest.mark.parametrize("dataset", ["events", "hosts", "network_activity", "withdrawn"])
def test_the_dictionary_is_the_codes(dataset):
    """The table in the guide is the one that the code has."""
    text = GUIDE.read_text().partition(f"<!-- dictionary: {dataset} -->\n")[2]
    assert text.startswith(schema.markdown(dataset) + "\n"), schema.markdown(dataset)


def test_every_kind_and_setting_is_named():
    """Kinds of publication, TLP and what the client's options are, as the code has them."""
    text = GUIDE.read_text()
    for kind in Kind.__args__:
        assert f"**{kind}**" in text
    for option in re.findall(r"--[a-z][a-z-]+", text):
        if option in {"--check", "--quiet", "--retry", "--etag-save", "--etag-compare", "--update-schema"}:
            continue
        assert option in {"--token-file", "--key", "--to", "--attempts", "--json", "--trust-first-use", "--ca", "--client-cert",
                          "--client-key", "--layout", "--region", "--account"}, option  # fmt: skip
