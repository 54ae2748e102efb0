"""What the story looks like: headings, prose, commands before their output. Colours on a terminal, plain in a pipe."""

import os
import re
import sys
import textwrap

WIDTH = 100
BOLD, DIM, RED, GREEN, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[0m"


class Terminal:
    """Writes to stdout; nothing is wider than WIDTH."""

    def __init__(self) -> None:
        self._coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def heading(self, text: str) -> None:
        """The head of a chapter."""
        rule = "─" * max(0, WIDTH - len(text) - 1)
        self._print(f"\n{self._in(BOLD, text)} {self._in(DIM, rule)}")

    def say(self, text: str) -> None:
        """Prose: a paragraph."""
        words = " ".join(text.split())
        self._print("\n" + textwrap.fill(words, WIDTH, break_long_words=False, break_on_hyphens=False))

    def command(self, who: str, text: str) -> None:
        """A command, as it would be typed, after the prompt of whoever types it."""
        first, *more = text.splitlines()
        self._print(f"\n{self._in(DIM, who + '$')} {self._in(BOLD, first)}")
        for line in more:
            self._print(self._in(BOLD, line))

    def output(self, text: str) -> None:
        """What a command printed, lines that are too long folded."""
        for line in text.splitlines():
            self._print(folded(line))

    def line(self, text: str = "") -> None:
        """A line as it is."""
        self._print(text)

    def verdict(self, text: str, *, good: bool) -> None:
        """The last word."""
        self._print("\n" + self._in(GREEN if good else RED, self._in(BOLD, text)))

    def _in(self, style: str, text: str) -> str:
        return f"{style}{text}{PLAIN}" if self._coloured else text

    def _print(self, text: str) -> None:
        print(text, flush=True)


class _Folding(textwrap.TextWrapper):
    """Between words, or where there are none after a comma: a line of JSON is one word."""

    wordsep_simple_re = re.compile(r"([\t ]+|(?<=,)(?=\S))")


def folded(line: str) -> str:
    """A line in pieces of at most WIDTH, the later ones further in."""
    if len(line) <= WIDTH:
        return line
    margin = " " * (len(line) - len(line.lstrip()) + 4)
    return _Folding(WIDTH, subsequent_indent=margin, break_on_hyphens=False, expand_tabs=False).fill(line)
