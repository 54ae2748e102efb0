"""Domain names as a schedule may list them: canonical lower-case A-labels, at least two of them (RFC 1035
2.3.4).

Underscores are allowed (such names resolve, and bots use them), U-labels are not: IDNA 2003 and 2008 turn
some of them into different names (`straße.de`), and a program must not choose whose machines a court order
covers. The remedy names the A-label where both agree.
"""

import re

from collector.orders.suffixes import suffix_rules

NAME_MAX = 253
LABEL_MAX = 63

# Possessive quantifiers: a label's edges and its inside share characters, and there is nothing to go back for.
# No possessive "+" behind groups: `re` matches those wrongly before 3.11.5 (CPython gh-106052), and Debian 12 has 3.11.2.
_SHAPE = re.compile(r"(?:[a-z0-9_]++(?:-++[a-z0-9_]++)*\.)+[a-z][a-z0-9]*+(?:-++[a-z0-9]++)*", re.ASCII)
_DEVIATIONS = frozenset("ßς\u200c\u200d")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?", re.ASCII)


def canonical(text: str) -> str | None:
    """The canonical form of a listable name: lower case, without a trailing dot. None: see `name_flaw`."""
    name = text.lower().removesuffix(".") if text.isascii() else ""  # U+212A lowers to an ASCII k
    fits = len(name) <= LABEL_MAX or (len(name) <= NAME_MAX and max(map(len, name.split("."))) <= LABEL_MAX)
    return name if fits and _SHAPE.fullmatch(name) else None


def listable(text: str) -> str | None:
    """`canonical`, and no public suffix. A schedule asks it for every row, so the usual form goes through
    first.
    """
    name = text if len(text) <= LABEL_MAX and _SHAPE.fullmatch(text) else canonical(text)
    if name is None:
        return None
    exact, wildcard, exception, _ = suffix_rules()
    if name in exact or (name.partition(".")[2] in wildcard and name not in exception):
        return None
    return name


def name_flaw(text: str) -> tuple[str, str]:
    """What is wrong with a name that is not listable: (expected, remedy)."""
    name = text.removesuffix(".").lower()
    labels = name.split(".")
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "UTF-8 text", "save the file as UTF-8"
    if not text.isascii():
        return "the A-label form of an internationalised name", _a_label_remedy(text)
    if canonical(text) is not None:
        return (
            "a name below a public suffix",
            "list the registered names below it; listing a suffix would list everybody's",
        )
    if "/" in name or "://" in name:
        return "a domain name alone", "write the host name only, without scheme, path or prefix length"
    if re.fullmatch(r"\[?[0-9a-f]*:[0-9a-f:.]+\]?|(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+))*", name):
        return "a domain name, not an address", "an address belongs into [[services]] of the operation file"
    if ":" in name:
        return "a domain name without a port", "leave the port out; a name matches on every port"
    if name.startswith("*."):
        return "a domain name without a wildcard", f"write {name[2:]}: subdomains match by themselves"
    if name != name.strip():
        return "a domain name without spaces", "remove the space"
    if not name or "" in labels:
        return "a domain name of non-empty labels", "write the name in full, with single dots"
    if len(labels) == 1:
        return "at least two labels", "write the registered domain in full"
    if len(name) > NAME_MAX:
        return f"at most {NAME_MAX} characters (RFC 1035 2.3.4), this has {len(name)}", "correct the name"
    longest = max(labels, key=len)
    if len(longest) > LABEL_MAX:
        return (
            f"labels of at most {LABEL_MAX} characters (RFC 1035 2.3.4), one has {len(longest)}",
            "correct the name",
        )
    bad = next((label for label in labels if not _LABEL.fullmatch(label)), labels[-1])
    return (
        "labels of a-z, 0-9, hyphen (not at an edge) and underscore, the last one beginning with a letter",
        f"correct the label {bad!r}",
    )


def _a_label_remedy(text: str) -> str:
    if not _DEVIATIONS & set(text):
        try:
            encoded = text.encode("idna").decode("ascii").lower()
        except UnicodeError:
            encoded = ""
        if encoded.startswith("xn--") or ".xn--" in encoded:
            return f"write {encoded} if that is the name that the registry delegates"
    return (
        "write the name as the registry delegates it (xn--…); the two IDNA standards disagree about this one"
    )
