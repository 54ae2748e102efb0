"""Documentation is true: what it names exists, and what exists is named."""

import argparse
import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from collectors import Collector, exchange, get

from collector.cli import VERBS, module_of
from collector.ground.codes import Fate
from collector.intake.settings import IntakeSettings
from collector.manage.settings import ManageSettings
from collector.orders.operation import Annex, DomainFile, Exclusion, Injunction, Order, Service
from collector.service.settings import ExportSettings, PullSettings, SegmentSettings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
DEPLOY = (ROOT / "deploy/README.md").read_text()
PAGES = [
    *ROOT.glob("*.md"),
    *(path for place in ("deploy", "config", "loadtest") for path in (ROOT / place).glob("*.md")),
]
CONFIG = (ROOT / "config/README.md").read_text()


def test_every_setting_is_explained_in_the_committed_file() -> None:
    """config/pentrap.toml names each key of each section, but the two of [manage] that only matter off loopback."""
    settings = tomllib.loads((ROOT / "config/pentrap.toml").read_text())
    for section, model, left_out in (
        ("intake", IntakeSettings, set()),
        ("segments", SegmentSettings, set()),
        ("export", ExportSettings, set()),
        ("pull", PullSettings, set()),
        ("manage", ManageSettings, {"token_file", "open"}),
    ):
        assert set(settings[section]) == set(model.model_fields) - left_out


def test_every_key_of_an_operation_file_is_named() -> None:
    """config/README.md names each key of each table."""
    words = set(re.findall(r"`([a-z_]+)`", CONFIG))
    for model in (Injunction, DomainFile, Exclusion, Service, Order, Annex):
        names = {field.alias or name for name, field in model.model_fields.items()}
        assert names - words <= {"annex"}, model


def test_commands_in_the_docs_exist_and_the_other_way_round() -> None:
    """Each `pentrap VERB` in the docs is a verb; each verb stands in the README."""
    named = set(re.findall(r"pentrap ([a-z]+) (?:[a-z]+ )?(?:--|PATH)", README + DEPLOY + CONFIG))
    assert named == set(VERBS)


def test_each_command_stands_once_in_the_readmes_table() -> None:
    """Verbs, and each subcommand of a verb that has some, are named once in the table of commands, and nothing else is."""
    commands = [
        f"{name} {command.name}".strip()
        for name in VERBS
        for command in getattr(module_of(name), "COMMANDS", (argparse.Namespace(name=""),))
    ]
    table = README.partition("## Commands")[2].partition("\n## ")[0]
    rows = "\n".join(line.partition("|")[2].partition("|")[0] for line in table.splitlines())
    assert sorted(re.findall(r"`pentrap ([a-z]+(?: [a-z]+)?) (?:--|PATH)", rows)) == sorted(commands)


def test_make_targets_in_the_readme_exist() -> None:
    """Each `make TARGET` that the README names is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make (run|test|check|bench|setup|[a-z]+)\b(?=[ `#])", README)) <= targets | {"it"}


def test_every_metric_and_fate_is_explained(collector: Collector) -> None:
    """deploy/README.md names exactly the metrics that a running collector serves, and every fate."""
    exchange(collector.port, get())
    served = set(re.findall(r"^# TYPE (pentrap_[a-z_]+)", collector.get("/metrics").decode(), re.MULTILINE))
    named = set(re.findall(r"`(pentrap_[a-z_]+)", DEPLOY))
    assert named == served
    for page in (ROOT / "deploy").glob("*.md"):
        assert set(re.findall(r"`(pentrap_[a-z_]+)", page.read_text())) <= served, page.name
    assert {fate.name.lower() for fate in Fate} <= set(re.findall(r"`([a-z_]+)`", DEPLOY))


def test_links_between_documents_lead_somewhere() -> None:
    """Each relative link in any document names a file that exists."""
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)


def test_every_load_test_and_result_is_accounted_for() -> None:
    """Each program of loadtest/ has its row; each name of a result in ARCHITECTURE's table of figures is a committed file's."""
    text = (ROOT / "loadtest/README.md").read_text()
    programs = {path.name for path in (ROOT / "loadtest").glob("*.py") if "argparse" in path.read_text()}
    assert {name for name in programs if f"loadtest/{name}" not in text} == set()
    measured = (ROOT / "ARCHITECTURE.md").read_text().partition("## Measured")[2].partition("\n## ")[0]
    results = {path.stem for path in (ROOT / "loadtest/results").iterdir()}
    named = re.findall(r"\| ([^|]*) \|\n", measured)[2:]
    for cell in named:
        names = re.findall(r"\b[a-z]+(?:-[a-z0-9]+)*\*?", cell.replace("tests/promises", ""))
        found = [name for name in names if any(result.startswith(name.rstrip("*")) for result in results)]
        assert found or "make bench" in cell or "by hand" in cell, cell


def test_the_tuning_pages_settings_exist() -> None:
    """What deploy/TUNING.md calls a setting is one of pentrap.toml."""
    text = (ROOT / "deploy/TUNING.md").read_text().partition("## Intake")[2]
    names = set().union(*(model.model_fields for model in (IntakeSettings, SegmentSettings, ExportSettings)))
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(?:\[[a-z]+\] )?([a-z_]+)`", row)}
    assert len(told) >= 8
    assert told <= names


def test_the_readmes_query_reads_what_a_collector_wrote(collector: Collector) -> None:
    """The DuckDB line of the README, as it stands there, shows the row of a check-in."""
    exchange(collector.port, get())
    collector.stop()
    (line,) = re.findall(r"^    \.venv/bin/(python -c .*)$", README, re.MULTILINE)
    shown = subprocess.run(
        ["bash", "-c", line.replace("python", sys.executable, 1)],
        cwd=collector.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "evil-one.com" in shown.stdout


@pytest.mark.parametrize(
    "room", sorted(path.parent.name for path in (ROOT / "collector").glob("*/__init__.py"))
)
def test_a_room_lists_its_modules(room):
    """The docstring of a room's `__init__` names each module, and what it puts at the head of a line is one."""
    folder = ROOT / "collector" / room
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    modules = {path.stem for path in (*folder.glob("*.py"), *folder.glob("[a-z]*/"))} - {"__init__"}
    # A command's module needs no line: the table of verbs is the list.
    verbs = set(re.findall(r'": "(\w+)"', (folder / "__init__.py").read_text())) if room == "cli" else set()
    assert modules - verbs <= set(re.findall(r"\w+", said))
    heads = re.findall(r"^([a-z_]+(?:, [a-z_]+)*)  ", said, re.MULTILINE)
    assert heads
    assert {name for head in heads for name in head.split(", ")} <= modules
