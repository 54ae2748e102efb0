"""Changes the code in one place at a time and asks whether a test notices: the window, the scope and the audit modules.

    .venv/bin/python loadtest/mutation.py [--module collector/orders/timeline.py …] [--share 1.0] [--minutes 30] [--workers 2]

A mutant is the module with one comparison, operator, number, word, return value or statement changed; docstrings, annotations
and the texts of errors are left alone. Each runs in a process forked from one that has pytest and the libraries loaded: there
the module is loaded from the changed source, then the module's own quick tests run until the first failure. Killed: a test
failed, or the run took ten times as long as it should. `--share` takes a seeded sample of each module's mutants.

Survivors that change nothing that can be seen stand in SURVIVORS with their reason. Results of modules that have not changed
are kept, so a run may take a module at a time.
Result: loadtest/results/mutation.json.
"""

import argparse
import ast
import hashlib
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CHAINS, LIFE, RULES, SPANS, OPERATION = (
    f"tests/orders/test_orders_{name}.py" for name in ("chains", "life", "rules", "spans", "operation")
)
KINDS, MODEL, EXTENSIONS = (
    f"tests/promises/test_{name}.py" for name in ("l00_kinds", "l02_model", "l03_extensions")
)
SHARED = "tests/audit/test_audit_shared.py"
AUDIT = {
    name: f"tests/audit/test_audit_{name}.py"
    for name in ("tree", "note", "tiles", "key", "state", "log", "check")
}
GROUPS: dict[str, dict[str, list[str]]] = {
    "window and scope": {
        "collector/orders/timeline.py": [MODEL, CHAINS, RULES],
        "collector/orders/windows.py": ["tests/orders/test_orders_windows.py", RULES],
        "collector/orders/spans.py": [SPANS, CHAINS],
        "collector/orders/chains.py": [CHAINS, KINDS],
        "collector/orders/kinds.py": [KINDS, EXTENSIONS, LIFE],
        "collector/orders/life.py": [LIFE, EXTENSIONS, OPERATION, KINDS],
        "collector/orders/instants.py": [OPERATION, LIFE, RULES, MODEL],
        "collector/orders/rules.py": [RULES, MODEL, KINDS],
        "collector/orders/agreement.py": [OPERATION, LIFE, EXTENSIONS, RULES],
        "collector/ground/clock.py": [
            "tests/ground/test_clock_watch.py",
            "tests/ground/test_clock_belief_units.py",
        ],
    },
    "audit": {
        "collector/audit/tree.py": [AUDIT["tree"]],
        "collector/audit/note.py": [AUDIT["note"]],
        "collector/audit/tiles.py": [AUDIT["tiles"], AUDIT["log"]],
        "collector/audit/key.py": [AUDIT["key"], AUDIT["log"]],
        "collector/audit/events.py": [AUDIT["state"], SHARED],
        "collector/audit/log.py": [AUDIT["log"], SHARED],
        "collector/audit/texts.py": [AUDIT["state"], SHARED],
        "collector/audit/people.py": [AUDIT["state"], SHARED],
        "collector/audit/access.py": [AUDIT["state"], SHARED],
        "collector/audit/ledger.py": [AUDIT["state"], SHARED],
        "collector/audit/check.py": [AUDIT["check"]],
        "collector/audit/check_tiles.py": [AUDIT["check"], AUDIT["tiles"]],
    },
}
"""By module, the tests that speak for it: quick ones, none that starts a collector."""
FIGURE = 0.90
PATIENCE = 10
SECONDS_MIN = 20.0
_UNSEEN = "numbers of a decision that matched nothing: whoever gets it looks at the fate and stops"
_POWER = "shows only after a power cut; strace shows the call: tests/promises/test_l21_entry_first.py"
_READING = "both open for reading"
SURVIVORS: dict[tuple[str, str], str] = {
    ("collector/orders/spans.py", "Gt became GtE"): "at the very instant: in 0 seconds, or 0 seconds ago",
    ("collector/orders/chains.py", "'L' became 'LX'"): "a type variable's name",
    ("collector/orders/rules.py", "False became True"): _UNSEEN,
    ("collector/orders/rules.py", "1 became 2"): _UNSEEN
    + "; or a rank that is after every order's either way",
    ("collector/orders/rules.py", "dropped Expr"): "the mapping goes with the object",
    ("collector/orders/rules.py", "And became Or"): "the slow way gives the same answer",
    ("collector/orders/agreement.py", "'partner' became 'partnerX'"): "the key's name in a message to people",
    ("collector/ground/clock.py", "'modes' became 'modesX'"): "the structure's first field is 0 by any name",
    ("collector/ground/clock.py", "'offset' became 'offsetX'"): "never read by name",
    ("collector/ground/clock.py", "'rest' became 'restX'"): "never read by name",
    ("collector/audit/tiles.py", "Eq became NotEq"): "empty levels above are never written",
    ("collector/audit/log.py", "dropped Expr"): _POWER,
    (
        "collector/audit/log.py",
        "0 became 1",
    ): "descriptor 0 is standard input; an unsigned first entry is signed at the next",
    ("collector/audit/log.py", "Or became And"): "all three or none are None",
    ("collector/audit/log.py", "'audit' became 'auditX'"): "a name that callers spell out themselves",
    ("collector/audit/people.py", "'lock' became 'lockX'"): "another name for the same lock",
    ("collector/audit/people.py", "True became False"): "the order in the file",
    ("collector/audit/people.py", "'pentrap' became 'pentrapX'"): "a word",
    ("collector/audit/access.py", "True became False"): "the file is there",
    ("collector/audit/access.py", "dropped Expr"): "a descriptor that goes with its process",
    ("collector/audit/check_tiles.py", "1 became 2"): "a width that no tile has",
    ("collector/audit/check.py", "0 became 1"): "set before it is shown",
    ("collector/audit/check.py", "BitOr became BitAnd"): _READING,
    ("collector/audit/key.py", "BitOr became BitAnd"): _READING,
}
"""By module and change: why nothing can notice those that survive, or what else does."""

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
    "Problem",
    "Finding",
    "CorruptError",
    "NoteError",
    "ValueError",
    "OSError",
    "_refuse",
    "_add",
    "Note",
}
"""What is handed to these is text for people."""


class Mutant(NamedTuple):
    """One change. `change` in words; `source` is the whole changed module."""

    module: str
    line: int
    text: str
    change: str
    source: str

    @property
    def name(self) -> str:
        """How a result calls it: by the line's text, so that it outlives changes elsewhere."""
        return f"{self.module}: {self.text} -> {self.change}"


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module."""
    lines = source.splitlines()
    count = sum(1 for _ in changes(ast.parse(source)))
    for number in range(count):
        tree = ast.parse(source)
        line, change = next(one for place, one in enumerate(changes(tree)) if place == number)()
        ast.fix_missing_locations(tree)
        yield Mutant(module, line, lines[line - 1].strip(), change, ast.unparse(tree))


def changes(tree: ast.Module) -> Iterator[Any]:
    """Each possible change of the tree as a function that makes it and gives its line and its words."""
    left_alone = _left_alone(tree)
    for node in ast.walk(tree):
        if node in left_alone:
            continue
        yield from _changes_of(node)


def _left_alone(tree: ast.Module) -> set[ast.AST]:
    """Docstrings, annotations, decorators, imports, and texts for people."""
    alone: set[ast.AST] = set()

    def leave(node: ast.AST | None) -> None:
        if node is not None:
            alone.update(ast.walk(node))

    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            leave(node)
        for part in ("annotation", "returns"):
            leave(getattr(node, part, None))
        for decorator in getattr(node, "decorator_list", ()):
            leave(decorator)
        if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
            leave(node)
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called in _TELLING:
                for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                    leave(argument)
            for keyword in node.keywords:
                if keyword.arg == "description":
                    leave(keyword.value)
    return alone


def _changes_of(node: ast.AST) -> Iterator[Any]:
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
    for part in ("body", "orelse", "finalbody"):
        statements = getattr(node, part, None)
        if isinstance(statements, list):
            for place, statement in enumerate(statements):
                if _droppable(statement):
                    yield lambda statements=statements, place=place, statement=statement: (
                        statement.lineno,
                        _put(statements, place, ast.Pass(), "dropped " + type(statement).__name__),
                    )


def _droppable(statement: ast.AST) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call)
    return isinstance(statement, ast.Raise | ast.AugAssign | ast.Continue | ast.Break)


def _constant_changes(node: ast.Constant, line: int) -> Iterator[Any]:
    value = node.value
    if isinstance(value, bool):
        yield lambda: (line, _set(node, "value", not value, repr(value)))
    elif isinstance(value, int):
        yield lambda: (line, _set(node, "value", value + 1, repr(value)))
    elif isinstance(value, str) and value and " " not in value:
        yield lambda: (line, _set(node, "value", value + "X", repr(value)))
    elif isinstance(value, bytes) and value:
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


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a changed source."""

    def __init__(self, name: str, path: str, source: str) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(self, fullname: str, _path: Any, _target: Any = None) -> Any:
        """Only for the one module."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def create_module(self, _spec: Any) -> None:
        """The usual one."""

    def exec_module(self, module: Any) -> None:
        """Run the changed source as the module."""
        exec(compile(self._source, self._path, "exec"), module.__dict__)


def outcome(mutant: Mutant | None, module: str, tests: list[str], seconds: float) -> tuple[str, float]:
    """Run the tests on a mutant (None: on the module as it is) in a forked process: killed, survived or slow; and how long."""
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        os.setsid()
        _be_child(mutant, module, tests)
    while time.monotonic() - began < seconds:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return ("survived" if code == 0 else "killed"), time.monotonic() - began
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "slow", time.monotonic() - began


def _be_child(mutant: Mutant | None, module: str, tests: list[str]) -> None:
    import pytest

    quiet = os.open("/dev/null", os.O_RDWR)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    if mutant is not None:
        name = module.removesuffix(".py").replace("/", ".")
        sys.meta_path.insert(0, _Changed(name, str(ROOT / module), mutant.source))
    code = 1
    try:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        code = int(
            pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly", *tests])
        )
    finally:
        os._exit(code)


def examine(module: str, tests: list[str], chosen: argparse.Namespace, until: float) -> dict[str, Any]:
    """All of a module's mutants, or a sample; what became of them."""
    source = (ROOT / module).read_text()
    every = list(mutants(module, source))
    picked = random.Random(f"{chosen.seed}{module}").sample(every, max(1, round(len(every) * chosen.share)))
    result, took = outcome(None, module, tests, 300)
    if result != "survived":
        raise SystemExit(f"{module}: its tests do not pass on the module as it is")
    patience = max(SECONDS_MIN, PATIENCE * took)
    counts = {"killed": 0, "slow": 0, "survived": 0}
    survivors = []
    for mutant in sorted(picked, key=lambda one: one.line):
        if time.monotonic() > until:
            break
        result, _ = outcome(mutant, module, tests, patience)
        counts[result] += 1
        if result == "survived":
            survivors.append({"line": mutant.line, "name": mutant.name, "why": ""})
    ran = sum(counts.values())
    return {
        "mutants": len(every),
        "ran": ran,
        **counts,
        "tests_seconds": round(took, 1),
        "survivors": survivors,
    }


def main() -> int:
    """Run it and write what it came to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--module", action="append", default=[])
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=ROOT / "loadtest/results/mutation.json")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "loadtest"))
    import hypothesis
    import pydantic
    import pytest
    from cryptography.hazmat.primitives.asymmetric import ed25519

    assert all((hypothesis, pydantic, pytest, ed25519))  # loaded once, before the forks
    work = [
        (group, module, tests)
        for group, modules in GROUPS.items()
        for module, tests in modules.items()
        if not chosen.module or module in chosen.module
    ]
    until = time.monotonic() + chosen.minutes * 60
    found = _in_parallel(work, chosen, until)
    return _conclude(found, chosen)


def _in_parallel(
    work: list[tuple[str, str, list[str]]], chosen: argparse.Namespace, until: float
) -> dict[str, dict[str, Any]]:
    """Modules spread over forked workers, each of which writes its results into a file of its own."""
    folder = ROOT / "loadtest" / "build"
    folder.mkdir(exist_ok=True)
    children = []
    for worker in range(chosen.workers):
        pid = os.fork()
        if not pid:
            for _, module, tests in work[worker :: chosen.workers]:
                one = examine(module, tests, chosen, until)
                print(
                    f"{module}: {one['killed'] + one['slow']} of {one['ran']} killed",
                    file=sys.stderr,
                    flush=True,
                )
                one["of"] = _fingerprint(module, tests)
                (folder / f"mutation-{module.replace('/', '-')}.json").write_text(json.dumps(one))
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    return dict(_standing(folder))


def _standing(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Results of this run, and of earlier ones whose module and tests have not changed since."""
    for group, modules in GROUPS.items():
        for module, tests in modules.items():
            path = folder / f"mutation-{module.replace('/', '-')}.json"
            one = json.loads(path.read_text()) if path.exists() else {}
            if one.pop("of", "") == _fingerprint(module, tests):
                for survivor in one["survivors"]:
                    change = survivor["name"].rpartition(" -> ")[2]
                    survivor["why"] = SURVIVORS.get((module, change), "")
                yield module, {"group": group, **one}


def _fingerprint(module: str, tests: list[str]) -> str:
    """Of the module and its tests."""
    return hashlib.sha256(b"".join((ROOT / path).read_bytes() for path in (module, *tests))).hexdigest()


def _conclude(found: dict[str, dict[str, Any]], chosen: argparse.Namespace) -> int:
    from ordeals import world

    groups = {}
    for group in GROUPS:
        members = [one for one in found.values() if one["group"] == group]
        ran = sum(one["ran"] for one in members)
        killed = sum(one["killed"] + one["slow"] for one in members)
        explained = sum(bool(survivor["why"]) for one in members for survivor in one["survivors"])
        if ran:
            groups[group] = {
                "mutants": sum(one["mutants"] for one in members),
                "ran": ran,
                "killed": killed,
                "killed_share": round(killed / ran, 4),
                "survivors": ran - killed,
                "explained": explained,
            }
    result = {
        "command": sys.argv,
        "machine": world.machine(),
        "revision": world.revision(),
        "figure": FIGURE,
        "holds": bool(groups) and all(one["killed_share"] >= FIGURE for one in groups.values()),
        "groups": groups,
        "modules": found,
    }
    chosen.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(groups, indent=1))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
