"""What pydantic found wrong with a table of a TOML file, told as a careful clerk would.

`expected` is the description of the field itself, so that each rule is worded once, beside the field.
"""

import difflib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from collector.ground.errors import Problem
from collector.orders.schedule import quoted

SEALED_KEYS = frozenset({"docket", "court", "agency", "officers"})
"""Their values are never quoted in a problem, which may end up in a log (18 USC 3123(d))."""


class Table(BaseModel):
    """A table of an operator's file: no unknown keys, no conversions, no changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


T = TypeVar("T", bound=Table)


def read_table(model: type[T], table: object, file: str, place: str, problems: list[Problem]) -> T | None:
    """`table` as a `model`; None after telling in `problems` all that is wrong with it."""
    if not isinstance(table, Mapping):
        problems.append(
            Problem(
                file,
                place,
                shown(table),
                f"a table: {place}",
                f"write {place} on a line of its own, its keys below",
            )
        )
        return None
    try:
        return model.model_validate(dict(table))
    except ValidationError as error:
        problems += [_problem(model, details, file, place) for details in error.errors(include_url=False)]
        return None


def shown(value: object, key: str = "") -> str:
    """A value in the words of TOML; what is under seal only by its type."""
    kinds = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    if key in SEALED_KEYS:
        return (
            kinds.get(type(value), "a date") + " (not shown: sealed)" if value not in ("", []) else "nothing"
        )
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat().replace("+00:00", "Z") + ("" if value.tzinfo else " (without a zone)")
        case date():
            return f"{value.isoformat()} (a date without a time)"
        case str():
            return quoted(value)
        case list() | dict():
            return quoted(str(value)) if len(str(value)) < 60 else kinds[type(value)]
        case _:
            return str(value)


def _problem(model: type[Table], details: ErrorDetails, file: str, place: str) -> Problem:
    model, key = _innermost(model, details["loc"])
    where = " ".join(
        [place, *(str(part + 1) if isinstance(part, int) else part for part in details["loc"])]
    ).strip()
    field = model.model_fields.get(key)
    expected = field.description or "" if field else ""
    match details["type"]:
        case "missing":
            return Problem(file, where, "nothing", expected, f"add {key} = …")
        case "extra_forbidden":
            known = ", ".join(model.model_fields) or "no keys"
            close = difflib.get_close_matches(key, model.model_fields, 1)
            remedy = f"write {close[0]}" if close else f"remove {key}"
            return Problem(file, where, f"an unknown key, {quoted(key)}", f"one of {known}", remedy)
    return Problem(file, where, shown(details["input"], key), expected, _remedy(details, key))


def _innermost(model: type[Table], loc: tuple[int | str, ...]) -> tuple[type[Table], str]:
    """The table and key that a location ends in: ("annex", 0, "tlp") is the annex's "tlp"."""
    key = ""
    for part in loc:
        if isinstance(part, str):
            inner = _tables_in(model, key)
            model, key = inner or model, part
    return model, key


def _tables_in(model: type[Table], key: str) -> type[Table] | None:
    field = model.model_fields.get(key)
    kinds = get_args(field.annotation) if field else ()
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Table)), None)


def _remedy(details: ErrorDetails, key: str) -> str:
    value: Any = details["input"]
    if isinstance(value, datetime) and value.tzinfo is None:
        return f"add the zone: {key} = {value.isoformat()}Z"
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"add time and zone: {key} = {value.isoformat()}T00:00:00Z"
    if isinstance(value, str) and details["type"] in (
        "datetime_type",
        "is_instance_of",
        "int_type",
        "bool_type",
    ):
        return "remove the quotes, or correct the value"
    if details["type"] == "tuple_type":
        text = "…" if key in SEALED_KEYS else value
        return f'put it into brackets: {key} = ["{text}"]' if isinstance(value, str) else "write a list"
    return f"correct {key}"
