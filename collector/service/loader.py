"""Operation files become the rules in force, in two steps (law.md L-07).

Orders first: operation files are read and checked, and rules are made of them with the index that is in force; so a
termination or a changed window counts at once, however large the schedule. Then schedules: where they changed, their index is
built and takes the old one's place. A mistake in an operation file leaves everything as it was; a mistake in a schedule leaves
the old schedule. At a start there is no index in force, and both steps are one.

The child reports a step as {"step": "orders" | "schedules", "rules": <digest>, "operations": [<facts>, …]}, where the facts are
what the audit log says of an operation; or as {"problems": […], "again": whether another try may help}.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from collector.audit import texts
from collector.ground import files
from collector.ground.errors import ConfigurationError, Problem
from collector.orders.compile import compile_operations, compile_with_index_of
from collector.orders.docket import read_operations
from collector.orders.instants import to_text, to_us
from collector.orders.kinds import ENDINGS
from collector.orders.operation import Operation, Order
from collector.service.aside import Aside, Report

CURRENT = "current"
"""The file in `rules/` that names the rules in force."""
KILLED = Problem(
    "operations", "compiling", "the process was killed", "rules written", "see the machine's memory"
)


def start(paths: list[Path], data_dir: Path) -> Aside:
    """Begin a load."""
    return Aside(partial(_load, paths, data_dir))


def current(directory: Path) -> str:
    """The digest of the rules in force; empty before there are any."""
    try:
        return (directory / CURRENT).read_text().strip()
    except FileNotFoundError:
        return ""


def adopt(directory: Path, digest: str) -> None:
    """Make `digest` the rules in force, durably."""
    files.publish_bytes(directory / CURRENT, f"{digest}\n".encode())


def _load(paths: list[Path], data_dir: Path, report: Callable[[Report], None]) -> None:
    """The child's work."""
    rules, audit = data_dir / "rules", data_dir / "audit"
    try:
        operations = read_operations(paths)
        in_force = current(rules)
        if in_force:
            digest = compile_with_index_of(operations, rules, in_force)
            if digest:
                facts = [_facts(operation, audit, schedules=False) for operation in operations]
                report({"step": "orders", "rules": digest, "operations": facts})
        digest = compile_operations(operations, rules)
        facts = [_facts(operation, audit, schedules=True) for operation in operations]
        report({"step": "schedules", "rules": digest, "operations": facts})
    except ConfigurationError as error:
        report({"problems": [dataclasses.asdict(problem) for problem in error.problems], "again": False})
    except BaseException as error:
        found = type(error).__name__
        problem = Problem(str(rules), "compiling", found, "rules written", "see disk space and rights")
        report({"problems": [dataclasses.asdict(problem)], "again": True})


def _facts(operation: Operation, audit: Path, *, schedules: bool) -> dict[str, Any]:
    """What the audit log says of an operation; the texts that it names are kept when this returns."""
    facts: dict[str, Any] = {
        "operation": operation.name,
        "configuration": texts.keep(audit, Path(operation.file).read_bytes()),
        "answer": texts.keep(audit, operation.answer),
        "orders": [_order_facts(operation.name, order) for order in operation.orders],
    }
    if schedules:
        facts["schedules"] = [
            {"file": table.file, "sha256": texts.keep(audit, (operation.folder / table.file).read_bytes())}
            for table in operation.domains
        ]
    return facts


def _order_facts(operation: str, order: Order) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "operation": operation,
        "order": order.id,
        "kind": order.kind,
        "starts": to_text(to_us(order.starts)),
        "ends": to_text(to_us(order.ends)),
        "fields": list(order.fields),
        "retention_days": order.retention_days,
    }
    if order.extends:
        facts["extends"] = order.extends
    for key in ENDINGS:
        if (moment := getattr(order, key)) is not None:
            facts[key] = to_text(to_us(moment))
    return facts
