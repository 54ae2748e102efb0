"""Public suffixes: names under which anybody may register, so that listing one would list strangers.

Both sections of the list count. A dynamic-DNS provider stands in the private one (`duckdns.org`): a
customer's name beneath it may be listed, the provider's own name may not, because every other customer's
machines would be recorded with it. The list is the copy inside the `publicsuffixlist` package (nothing is
fetched), read here into three sets because the package's own lookup costs several microseconds and a
schedule has millions of names; a test holds the two against each other.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import publicsuffixlist


class SuffixRules(NamedTuple):
    """Rules of publicsuffix.org's format, in A-labels."""

    exact: frozenset[str]
    wildcard: frozenset[str]  # "ck" for the rule "*.ck"
    exception: frozenset[str]  # "www.ck" for the rule "!www.ck"
    version: str


@cache
def suffix_rules() -> SuffixRules:
    """The list, parsed once a process."""
    exact: set[str] = set()
    wildcard: set[str] = set()
    exception: set[str] = set()
    for line in Path(publicsuffixlist.PSLFILE).read_text(encoding="utf-8").splitlines():
        rule = line.strip().lower().split(" ")[0]
        if not rule or rule.startswith("//"):
            continue
        name = rule.lstrip("!").removeprefix("*.")
        encoded = name if name.isascii() else name.encode("idna").decode("ascii")
        (exception if rule[0] == "!" else wildcard if rule[0] == "*" else exact).add(encoded)
    return SuffixRules(
        frozenset(exact | wildcard), frozenset(wildcard), frozenset(exception), publicsuffixlist.__version__
    )


def is_public_suffix(name: str) -> bool:
    """Whether a canonical name is itself a public suffix (a top-level label always is one)."""
    rules = suffix_rules()
    if name in rules.exact:
        return True
    _, dot, parent = name.partition(".")
    return not dot or (parent in rules.wildcard and name not in rules.exception)
