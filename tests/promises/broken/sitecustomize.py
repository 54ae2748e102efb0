"""Bugs planted into a running collector: exceptions whose text is content (law.md L-14). See test_l14_exception_texts.py.

PLANTED_BUG names one of the functions below, or any function of the collector as `module:name` or `module:Class.name`: once a
check-in's bytes have been seen, that function raises a KeyError of them, with a cause and a note that hold them too.
"""

import importlib
import mmap
import os
import sys

SEEN = mmap.mmap(-1, 4096)
"""Made before the processes are, so that what a worker saw can break the clerk too."""


def classify_raises() -> None:
    """The parser raises with the head in its text."""
    from collector.intake import accept

    real = accept.plain_host

    def plain_host(content, limit):
        if b"PLANTED" in content[:limit]:
            raise ValueError(bytes(content[:limit]))
        return real(content, limit)

    accept.plain_host = plain_host


def settle_raises() -> None:
    """The rules raise a KeyError of the name."""
    from collector.orders.rules import Rules

    real = Rules.load.__func__

    def load(cls, directory, digest):
        rules = real(cls, directory, digest)
        decide = rules.decide

        def decided(name, *rest):
            if name and name.endswith(b"evil-one.com"):
                return {}[name]
            return decide(name, *rest)

        rules.decide = decided
        return rules

    Rules.load = classmethod(load)


def commit_raises() -> None:
    """The journal raises something that is no OSError, with a record's bytes in its text."""
    from collector.journal.stream import Stream

    def append(self, buffer, *_):
        raise RuntimeError(bytes(buffer))

    Stream.append = append


def remember() -> None:
    """Keep the beginning of the latest check-in that says PLANTED; whoever is broken raises with it."""
    from collector.intake import accept

    look = accept.plain_host

    def plain(content, limit):
        if b"PLANTED" in content[:limit]:
            SEEN[: min(limit, 4096)] = bytes(content[: min(limit, 4096)])
        return look(content, limit)

    accept.plain_host = plain


def break_function(place: str) -> None:
    """Have the function at `module:qualified.name` raise once content has been seen."""
    module_name, _, qualified = place.partition(":")
    owner = importlib.import_module(module_name)
    *path, name = qualified.split(".")
    for step in path:
        owner = getattr(owner, step)
    real = vars(owner)[name]
    call = real.__func__ if isinstance(real, (classmethod, staticmethod)) else real

    def broken(*arguments, **named):
        content = SEEN[:].rstrip(b"\0")
        if not content:
            return call(*arguments, **named)
        cause = ValueError(content.decode("latin-1"))
        error = KeyError(content)
        error.add_note(repr(content))
        raise error from cause

    setattr(owner, name, type(real)(broken) if isinstance(real, (classmethod, staticmethod)) else broken)
    if not path:  # whoever imported it by name has it under that name
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith("collector") and vars(module).get(name) is real:
                setattr(module, name, broken)


if os.environ.get("PLANTED_BUG") and sys.argv[0].endswith("pentrap"):
    if ":" in os.environ["PLANTED_BUG"]:
        for room in ("clerk", "intake"):
            importlib.import_module(f"collector.service.{room}")
        remember()
        break_function(os.environ["PLANTED_BUG"])
    else:
        globals()[os.environ["PLANTED_BUG"]]()
