"""The lawyer's page, the officer's guide and the runbook are true: every requirement has a test, every name in them exists."""

import argparse
import re
import shlex
from pathlib import Path

import pytest
from law_table import PAGE, REQUIREMENTS, ROOT, first_sentence, page_now, shown_by_number

from collector.audit.events import EVENTS
from collector.cli import parser
from collector.orders.answer import Answer
from collector.orders.operation import Annex, DomainFile, Exclusion, Injunction, Order
from collector.segments.table import EVENTS as COLUMNS
from collector.service.settings import SECTIONS

OFFICER = ROOT / "deploy" / "OFFICER.md"
PAGES = [PAGE, OFFICER, ROOT / "deploy" / "RUNBOOK.md"]
SERVED = {
    name
    for path in (ROOT / "collector/manage").glob("*.py")
    for name in re.findall(r"pentrap_[a-z_]+", path.read_text())
}


def code_spans(page: Path) -> list[str]:
    """Everything between backticks, and each command line of the indented or fenced blocks, in one list."""
    text = page.read_text()
    lines = [line.strip() for line in re.findall(r"^(?: {4}|\t)(.*)$", text, re.MULTILINE)]
    joined = re.sub(r" *\\\n *", " ", "\n".join(lines))
    return re.findall(r"`([^`\n]+)`", text) + joined.split("\n")


def flaw_of(command: str) -> str:
    """What is wrong with a `pentrap …` that a page names; empty where verb, subcommand and every option exist."""
    words = [word for word in shlex.split(command.replace("…", ""), comments=True) if word]
    at, path = parser(), []
    for word in words[1:]:
        choices = next((a.choices for a in at._actions if isinstance(a, argparse._SubParsersAction)), None)
        if choices is not None and not word.startswith("-"):
            if word not in choices:
                return f"{word} is none of {sorted(choices)}"
            at = choices[word]
            path.append(word)
        elif word.startswith("--") and word not in at._option_string_actions:
            return f"{' '.join(path)} has no option {word}"
    return ""


def test_every_requirement_has_a_test() -> None:
    """No number of the list is without a test that carries it."""
    assert sorted(set(REQUIREMENTS) - set(shown_by_number())) == []


def test_no_test_is_named_after_a_number_that_does_not_exist() -> None:
    """A slip of a digit in a test's name would leave a requirement less shown than it seems."""
    assert sorted(set(shown_by_number()) - set(REQUIREMENTS)) == []


def test_every_test_with_a_number_says_its_truth() -> None:
    """The page quotes the first sentence of the docstring, so there must be one."""
    bare = [shown.name for tests in shown_by_number().values() for shown in tests if len(shown.truth) < 20]
    assert bare == []


def test_the_lists_of_tests_are_current() -> None:
    """deploy/LAW.md says what the tests say: else run python tests/promises/law_table.py --write."""
    page = PAGE.read_text()
    assert page == page_now(page)


def test_the_page_has_each_requirement_once_and_in_order() -> None:
    """A heading and a list for each number."""
    page = PAGE.read_text()
    assert re.findall(r"^#### (L-\d\d[a-z]?) ", page, re.MULTILINE) == list(REQUIREMENTS)
    assert re.findall(r"<!-- tests of (L-\d\d[a-z]?) -->", page) == list(REQUIREMENTS)


def test_a_sentence_ends_at_its_full_stop() -> None:
    """Abbreviations and numbers do not end one."""
    assert first_sentence("A 1.000 s step\n    pauses. It goes on.") == "A 1.000 s step pauses."
    assert first_sentence("`open` is one. `return` another.") == "`open` is one."


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_links_named_exist(page: Path) -> None:
    """Each path in backticks below a folder of the repository, and each relative link with its anchor, leads somewhere."""
    spans = code_spans(page)
    paths = [
        span for span in spans if re.fullmatch(r"(?:collector|config|deploy|loadtest|tests)/[\w./-]+", span)
    ]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(#[^)]*)?\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor[1:] in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}, (
                anchor
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_named_exist(page: Path) -> None:
    """Each `pentrap …` has its verb, subcommand and options in the command line as it is; each make target is one."""
    commands = [span for span in code_spans(page) if re.match(r"(?:\.venv/bin/)?pentrap [a-z]", span)]
    assert len(commands) > 5
    assert [(command, flaw) for command in commands if (flaw := flaw_of(command))] == []
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {span.split()[1] for span in code_spans(page) if re.match(r"make [a-z]", span)} <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_metrics_entries_and_columns_named_exist(page: Path) -> None:
    """`[section] key`, `pentrap_metric`, entries of the audit log, and columns are those of the code."""
    spans = code_spans(page)
    for span in spans:
        setting = re.fullmatch(r"\[([a-z]+)\] ([a-z_]+)", span)
        if setting:
            assert setting[2] in SECTIONS[setting[1]].model_fields, span
    assert {name for span in spans for name in re.findall(r"\bpentrap_[a-z_]+", span)} <= SERVED
    text = page.read_text()
    entries = {
        name
        for listed in re.findall(r"entr(?:y|ies) ((?:`[a-z_]+`(?:, | and |, and )?)+)", text)
        for name in listed.split("`")[1::2]
    }
    assert entries <= set(EVENTS)
    columns = {
        name
        for listed in re.findall(r"columns? ((?:`[a-z_]+`(?:, | and )?)+)", text)
        for name in listed.split("`")[1::2]
    }
    assert columns <= set(COLUMNS.names)


def test_the_table_of_fields_names_every_column_that_is_kept() -> None:
    """No stored column is left out of "Content or not"; the three that are empty are named as such."""
    table = PAGE.read_text().partition("## Content or not")[2].partition("## The requirements")[0]
    assert set(COLUMNS.names) <= set(re.findall(r"`([a-z_]+)`", table))


def test_keys_of_operation_files_named_on_the_page_exist() -> None:
    """Each `key = …` that the page writes is a key of an operation file."""
    named = set(re.findall(r"`([a-z_]+) = ", PAGE.read_text()))
    models = (Annex, Answer, DomainFile, Exclusion, Injunction, Order)
    known = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert named
    assert named <= known
