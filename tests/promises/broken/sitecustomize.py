"""Bugs planted into a running collector: exceptions whose text is content (law.md L-14). See test_l14_exception_texts.py."""

import os
import sys


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


if os.environ.get("PLANTED_BUG") and sys.argv[0].endswith("pentrap"):
    globals()[os.environ["PLANTED_BUG"]]()
