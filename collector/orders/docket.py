"""Reads operation files: TOML in, checked operations out, or every mistake of every file at once."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from collector.ground.errors import ConfigurationError, Problem
from collector.orders.agreement import (
    between_problems,
    exception_problems,
    injunction_problems,
    order_place,
    order_problems,
    service_problems,
)
from collector.orders.answer import is_unsealed, read_answer
from collector.orders.mistakes import T, read_table, shown
from collector.orders.operation import DomainFile, Exclusion, Injunction, Operation, Order, Service, Title
from collector.orders.schedule import quoted

TABLES = {"injunction": "[injunction]", "answer": "[answer]"}
LISTS = {"domains": "[[domains]]", "except": "[[except]]", "services": "[[services]]", "order": "[[order]]"}

SCHEDULES_BYTES_MAX = 64_000
"""What the schedules of one operation may take in `operation_loaded`, which names each with its hash: an entry of the audit log
holds 65,535 bytes, and all else that stands in this one is less than 500.
"""
_NAMED_BYTES = len(json.dumps({"file": "", "sha256": "0" * 64}, separators=(",", ":"))) - len('""') + len(",")


def read_operations(paths: Iterable[Path]) -> list[Operation]:
    """All operations, ordered by name; ConfigurationError with every problem that was found.

    Schedules are not read here (they are large): their files' existence is checked, compile reads them.
    """
    problems: list[Problem] = []
    operations = []
    for path in sorted(paths):
        operation = read_operation(path, problems)
        if operation is not None:
            operations.append(operation)
    problems += between_problems(operations)
    if problems:
        raise ConfigurationError(problems)
    return sorted(operations, key=lambda operation: operation.name)


def read_operation(path: Path, problems: list[Problem]) -> Operation | None:
    """One file; None when a table is missing or malformed. What is wrong goes to `problems`."""
    file = str(path)
    content = read_toml(path, problems)
    if content is None:
        return None
    told = len(problems)
    titles = {key: value for key, value in content.items() if key not in TABLES and key not in LISTS}
    title = read_table(Title, titles, file, "", problems)
    injunction = _injunction(content, file, problems)
    answer = read_answer(content.get("answer", {}), file, "[answer]", path.parent, problems)
    domains = _tables(DomainFile, content, "domains", file, problems)
    exceptions = _tables(Exclusion, content, "except", file, problems)
    services = _tables(Service, content, "services", file, problems)
    orders = _tables(Order, content, "order", file, problems)
    problems += order_problems(orders, file)
    problems += service_problems(services, file)
    problems += exception_problems(exceptions, file)
    problems += _schedule_problems(domains, path)
    if title is None or injunction is None or len(problems) != told:
        return None
    return Operation(
        name=title.operation,
        file=file,
        folder=path.parent,
        injunction=injunction,
        answer=answer,
        unsealed=is_unsealed(content.get("answer", {})),
        domains=tuple(table for _, table in domains),
        exceptions=tuple(table for _, table in exceptions),
        services=tuple(table for _, table in services),
        orders=tuple(table for _, table in orders),
    )


def read_toml(path: Path, problems: list[Problem]) -> dict[str, Any] | None:
    """A TOML file's keys; None after telling what is wrong with it."""
    file = str(path)
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        problem = Problem(
            file, "the file", error.strerror or "unreadable", "a readable file", "check path and rights"
        )
    except UnicodeDecodeError as error:
        problem = Problem(
            file, f"offset {error.start}", "bytes that are not UTF-8", "UTF-8", "save it as UTF-8"
        )
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).rpartition(" (at ")
        problem = Problem(
            file, place.rstrip(")"), what, "TOML 1.0", "correct this line; text needs quotes, dates do not"
        )
    except (ValueError, RecursionError):  # Python's own limits: neither says where
        found = "a number of thousands of digits, or brackets within brackets too deep to be read"
        problem = Problem(file, "the file", found, "TOML 1.0 as one would write it", "restore it from a copy")
    problems.append(problem)
    return None


def _injunction(content: Mapping[str, Any], file: str, problems: list[Problem]) -> Injunction | None:
    if "injunction" not in content:
        expected = "[injunction] with court, docket and issued: it is why the domains come to us"
        problems.append(Problem(file, "[injunction]", "nothing", expected, "add the table"))
        return None
    injunction = read_table(Injunction, content["injunction"], file, "[injunction]", problems)
    if injunction is not None:
        problems += injunction_problems(injunction, file)
    return injunction


def _tables(
    model: type[T], content: Mapping[str, Any], key: str, file: str, problems: list[Problem]
) -> list[tuple[int, T]]:
    """The well-formed tables of a list, each with its number counted from 1."""
    tables = content.get(key, [])
    if not isinstance(tables, list):
        single = f"[{key}]" if isinstance(tables, dict) else f"{key} = {shown(tables)}"
        place = LISTS[key]
        problems.append(
            Problem(file, place, single, f"{place}, once for each", f"write {place} with double brackets")
        )
        return []
    result = []
    for number, table in enumerate(tables, 1):
        named = table.get("id", "") if key == "order" and isinstance(table, dict) else ""
        place = (
            order_place(number, named if isinstance(named, str) else "")
            if key == "order"
            else f"{LISTS[key]} {number}"
        )
        parsed = read_table(model, table, file, place, problems)
        if parsed is not None:
            result.append((number, parsed))
    return result


def _schedule_problems(domains: list[tuple[int, DomainFile]], path: Path) -> list[Problem]:
    problems = []
    seen: dict[Path, int] = {}
    for number, table in domains:
        place = f"[[domains]] {number} file"
        schedule = path.parent / table.file
        if not schedule.is_file():
            found = f"{quoted(table.file)}, which is not there"
            remedy = f"put the schedule into {path.parent} or correct the name"
            problems.append(Problem(str(path), place, found, "a CSV file beside this one", remedy))
        first = seen.setdefault(schedule.resolve(), number)
        if first != number:
            found = f"{quoted(table.file)}, which [[domains]] {first} has too"
            problems.append(Problem(str(path), place, found, "each schedule once", "remove one of the two"))
    size = sum(_NAMED_BYTES + len(json.dumps(table.file)) for _, table in domains)
    if size > SCHEDULES_BYTES_MAX:
        found = (
            f"{len(domains)} schedules, whose names and hashes take {size:,} bytes of the audit log's entry"
        )
        expected = f"at most {SCHEDULES_BYTES_MAX:,} bytes: some 600 schedules with short names"
        remedy = "join schedules into fewer files: one may hold any number of domains"
        problems.append(Problem(str(path), "[[domains]]", found, expected, remedy))
    return problems
