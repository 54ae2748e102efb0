"""The requirements by number, and the lists in deploy/LAW.md of which tests show each.

    python tests/promises/law_table.py            exit 1 where the page is not what the tests say
    python tests/promises/law_table.py --write    rewrite the lists

A test shows a requirement by its name: `test_l07_…`, or `test_l03_l09_…` for two. The first sentence of its docstring is the
truth that it checks, and is what the page says. On the page each list stands between its two markers.
"""

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "deploy" / "LAW.md"

REQUIREMENTS = {
    "L-00": "injunction and orders have clocks of their own; kinds of order are one table",
    "L-01": "without a valid order nothing is recorded (18 USC 3121(a))",
    "L-02": "outside [starts, ends) nothing is recorded, exactly (18 USC 3123(c))",
    "L-03": "sixty days at most, each extension too (18 USC 3123(c))",
    "L-04": "an emergency use stops at 48 hours, or when obtained or denied (18 USC 3125(b))",
    "L-05": "listed domains and services only",
    "L-06": "a doubtful clock pauses recording",
    "L-07": "a termination counts within a second; a bad file changes nothing, loudly",
    "L-08": "the time of arrival decides",
    "L-09": "each record belongs to exactly one order",
    "L-10": "a closed list of fields, none of free text (18 USC 3121(c))",
    "L-11": "content leaves no trace, whatever it is",
    "L-12": "marked content is found nowhere afterwards",
    "L-13": "reading stops at the end of the head",
    "L-14": "no error text and no log carries input",
    "L-15": "the answer is fixed; nothing is reflected",
    "L-16": "no core dumps, no debug surface, least privilege",
    "L-17": "content found all the same is set aside",
    "L-20": "the machine keeps the record of its use (18 USC 3123(a)(3)(A))",
    "L-20a": "reading goes through one audited door; names can be erased",
    "L-21": "the entry is durable before the act",
    "L-22": "a changed log is found out",
    "L-23": "the return to the court is one command (18 USC 3123(a)(3)(B))",
    "L-24": "the return's deadline is watched",
    "L-25": "the collected set is complete and closed",
    "L-26": "yearly figures come from the orders (18 USC 3126)",
    "L-30": "sealed towards strangers (18 USC 3123(d))",
    "L-31": "a partner gets what its order's annex gives",
    "L-32": "a complete day never changes",
    "L-33": "two clocks of retention; deletion leaves a trace",
    "L-33a": "who was given what can be told",
    "L-34": "each file says what it is",
    "L-35": "each record can be traced to a subscriber (RFC 6302)",
    "L-36": "a source address is believed from the socket or a listed proxy only",
}
"""Every requirement, in short words. The page has each at length."""

_NAME = re.compile(r"test((?:_l\d\d[a-z]?)+)_")
_LIST = re.compile(r"(<!-- tests of (L-\d\d[a-z]?) -->\n).*?(<!-- end of tests -->)", re.DOTALL)


class Shown(NamedTuple):
    """A test, and the truth that it checks."""

    file: str
    name: str
    truth: str


def shown_by_number() -> dict[str, list[Shown]]:
    """All tests that carry a number, by number, in the order of files and lines."""
    found = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _NAME.match(node.name)
            if match:
                shown = Shown(
                    str(path.relative_to(ROOT)), node.name, first_sentence(ast.get_docstring(node) or "")
                )
                for number in match[1].removeprefix("_").split("_"):
                    found["L-" + number.removeprefix("l")].append(shown)
    return dict(found)


def first_sentence(docstring: str) -> str:
    """Up to the first full stop that ends a sentence, in one line."""
    text = " ".join(docstring.split())
    return re.split(r"(?<=[.!?]) (?=[A-Z/`])", text, maxsplit=1)[0]


def page_now(page: str) -> str:
    """The page with the lists as the tests are."""
    tests = shown_by_number()

    def fill(match: re.Match[str]) -> str:
        lines = [
            f"- {shown.truth.replace('|', chr(92) + '|')} [`{shown.name}`](../{shown.file})\n"
            for shown in tests.get(match[2], [])
        ]
        return match[1] + "".join(lines) + match[3]

    return _LIST.sub(fill, page)


def main(arguments: list[str]) -> int:
    """Check, or write."""
    page = PAGE.read_text("utf-8")
    now = page_now(page)
    if "--write" in arguments:
        PAGE.write_text(now, "utf-8")
        return 0
    if page != now:
        print(
            f"{PAGE.relative_to(ROOT)}: not what the tests say; python tests/promises/law_table.py --write",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
