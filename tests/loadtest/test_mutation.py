"""The mutation run makes the changes that it says, leaves alone what it says, and tells killed from survived."""

import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "loadtest"))

import mutation

SOURCE = '''"""A docstring stays."""

LIMIT: int = 3


def inside(moment: int, start: int, end: int) -> bool:
    """Stays too."""
    if end < start:
        raise ValueError("this text stays")
    return start <= moment < end and moment != LIMIT
'''


def test_each_comparison_number_and_statement_is_changed_once() -> None:
    """Every operator and constant outside of docstrings, annotations and errors' texts, each in a mutant of its own."""
    made = list(mutation.mutants("m.py", SOURCE))
    told = sorted(mutant.change for mutant in made)
    assert told == [
        "3 became 4",
        "And became Or",
        "Lt became LtE",
        "Lt became LtE",
        "LtE became Lt",
        "NotEq became Eq",
        "dropped Raise",
        "return became None",
    ]
    assert all("Stays too." in mutant.source and "A docstring stays." in mutant.source for mutant in made)
    assert len({mutant.source for mutant in made}) == len(made)


PROGRAM = r"""
import sys; sys.path.insert(0, "loadtest")
import mutation
module, tests = "collector/audit/tree.py", [mutation.AUDIT["tree"]]
source = (mutation.ROOT / module).read_text()
changed = source.replace('b"\\x01" + left', 'b"\\x02" + left')
assert changed != source
for text in (changed, source + "UNUSED = 1"):
    print(mutation.outcome(mutation.Mutant(module, 1, "", "", text), module, tests, 60)[0])
"""


def test_a_mutant_is_killed_by_a_test_that_fails_and_survives_one_that_does_not() -> None:
    """On a module of ours and its real tests: a changed root is noticed; a change that changes nothing is not."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, cwd=mutation.ROOT
    )
    assert done.stdout.split() == ["killed", "survived"], done.stderr
