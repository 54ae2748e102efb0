"""What one change of a module is: a comparison, an operator, a number, a word, a condition, a return value, a statement.

Docstrings, annotations, decorators, imports and what is written for people are left alone: a person has to check that.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.Div: ast.Mult,
}  # fmt: skip
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_TELLING = {
    "Problem", "Finding", "CorruptError", "NoteError", "ValueError", "OSError", "IndexError", "_refuse", "_add",
    "_corrupt", "Note",
}  # fmt: skip
"""What is handed to these is text for people."""
_TOLD = {"found", "expected", "remedy", "cause"}
"""And so are f-strings in variables of these names."""

Change = Callable[[], tuple[int, str]]
"""Makes the change in its tree; gives the line and the change in words."""


class Mutant(NamedTuple):
    """One change. `source` is the whole changed module."""

    module: str
    line: int
    place: str
    """The function, the line's text and the change: outlives changes elsewhere in the module."""
    source: str


def mutants(module: str, source: str) -> list[Mutant]:
    """Every mutant of a module."""
    lines = source.splitlines()
    owners = _owners(ast.parse(source))
    count = sum(1 for _ in changes(ast.parse(source)))
    seen: Counter[str] = Counter()
    made = []
    for number in range(count):
        tree = ast.parse(source)
        line, words = next(one for place, one in enumerate(changes(tree)) if place == number)()
        ast.fix_missing_locations(tree)
        place = f"{owners.get(line, 'module')}: {lines[line - 1].strip()} -> {words}"
        seen[place] += 1
        if seen[place] > 1:
            place += f" ({seen[place]})"
        made.append(Mutant(module, line, place, ast.unparse(tree)))
    return sorted(made, key=lambda one: one.line)


def _owners(tree: ast.Module) -> dict[int, str]:
    """The innermost function or class of each line."""
    owners: dict[int, str] = {}

    def walk(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = name
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = f"{name}.{child.name}".lstrip(".")
                owners.update(dict.fromkeys(range(child.lineno, (child.end_lineno or 0) + 1), inner))
            walk(child, inner)

    walk(tree, "")
    return owners


def changes(tree: ast.Module) -> Iterator[Change]:
    """Each possible change of the tree."""
    left_alone = _left_alone(tree)
    for node in ast.walk(tree):
        if node not in left_alone:
            yield from _changes_of(node)


def _left_alone(tree: ast.Module) -> set[ast.AST]:
    alone: set[ast.AST] = set()

    def leave(*nodes: ast.AST | None) -> None:
        for node in nodes:
            if node is not None:
                alone.update(ast.walk(node))

    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            leave(node)
        leave(getattr(node, "annotation", None), getattr(node, "returns", None))
        leave(*getattr(node, "decorator_list", ()))
        if isinstance(node, ast.Import | ast.ImportFrom):
            leave(node)
        if isinstance(node, ast.JoinedStr):  # the text of it; what it computes is changed
            leave(*(part for part in node.values if isinstance(part, ast.Constant)))
        if isinstance(node, ast.FormattedValue):
            leave(node.format_spec)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.JoinedStr):
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id in _TOLD:
                leave(node.value)
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called in _TELLING:
                leave(*node.args, *(keyword.value for keyword in node.keywords))
            if called == "TypeVar":
                leave(node)
            leave(*(keyword.value for keyword in node.keywords if keyword.arg == "description"))
    return alone


def _changes_of(node: ast.AST) -> Iterator[Change]:
    line = getattr(node, "lineno", 0)
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            if type(operator) in _COMPARE:
                yield lambda place=place, operator=operator: (
                    line,
                    _put(node.ops, place, _COMPARE[type(operator)](), type(operator).__name__),
                )
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        yield lambda: (line, _set(node, "op", _BINARY[type(node.op)](), type(node.op).__name__))
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield lambda: (line, _set(node, "op", other, type(node.op).__name__))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield lambda: (line, _set(node, "operand", ast.UnaryOp(ast.Not(), node.operand), "Not"))
    elif isinstance(node, ast.Constant):
        yield from _constant_changes(node, line)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        yield lambda: (line, _set(node.func, "id", _CALLS[node.func.id], node.func.id))
    elif isinstance(node, ast.Return) and not (node.value is None or isinstance(node.value, ast.Constant)):
        yield lambda: (line, _set(node, "value", ast.Constant(None), "return"))
    elif isinstance(node, ast.If | ast.IfExp | ast.While) and _plain(node.test):
        yield lambda: (node.test.lineno, _set(node, "test", ast.UnaryOp(ast.Not(), node.test), "condition"))
    for part in ("body", "orelse", "finalbody"):
        statements = getattr(node, part, None)
        if isinstance(statements, list):
            for place, statement in enumerate(statements):
                if _droppable(statement):
                    yield lambda statements=statements, place=place, statement=statement: (
                        statement.lineno,
                        _put(statements, place, ast.Pass(), "dropped " + type(statement).__name__),
                    )


def _plain(test: ast.expr) -> bool:
    """A condition that no other change turns round: those of comparisons and of `and`, `or`, `not` are changed there."""
    return isinstance(test, ast.Name | ast.Attribute | ast.Call | ast.Subscript)


def _droppable(statement: ast.AST) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call)
    if isinstance(statement, ast.Assign):  # of state; without a local name the rest would not even run
        return all(isinstance(target, ast.Attribute | ast.Subscript) for target in statement.targets)
    return isinstance(statement, ast.Raise | ast.AugAssign | ast.Continue | ast.Break)


def _constant_changes(node: ast.Constant, line: int) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield lambda: (line, _set(node, "value", not value, repr(value)))
    elif isinstance(value, int):
        yield lambda: (line, _set(node, "value", value + 1, repr(value)))
    elif isinstance(value, str) and " " not in value:
        yield lambda: (line, _set(node, "value", value + "X", repr(value)))
    elif isinstance(value, bytes):
        yield lambda: (line, _set(node, "value", value + b"X", repr(value)))


def _set(node: ast.AST, field: str, value: Any, was: str) -> str:
    setattr(node, field, value)
    return f"{was} became {_word(value)}"


def _put(items: list[Any], place: int, value: Any, was: str) -> str:
    items[place] = value
    return was if isinstance(value, ast.Pass) else f"{was} became {_word(value)}"


def _word(value: Any) -> str:
    if isinstance(value, ast.Constant):
        return repr(value.value)
    return type(value).__name__ if isinstance(value, ast.AST) else repr(value)
