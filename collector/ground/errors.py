"""What can go wrong, as a tree.

    PentrapError
    ├── ConfigurationError   the operator's files: carries every Problem found, exit code 2
    ├── CorruptError         a file of ours does not check: operation, path, offset, cause
    │   └── FormatError      it is whole, and of a format that this release does not read
    └── BusyError            another collector owns the data directory

Hostile bytes from the network are never in this tree: they are a verdict.
"""

from dataclasses import dataclass


class PentrapError(Exception):
    """Anything that Pentrap itself raises."""


@dataclass(frozen=True)
class Problem:
    """One mistake in the operator's files, as a careful clerk would explain it."""

    file: str
    place: str
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.place}\n"
            f"    found:    {self.found}\n"
            f"    expected: {self.expected}\n"
            f"    remedy:   {self.remedy}"
        )


class ConfigurationError(PentrapError):
    """The operator's files hold mistakes; all that were found are in `problems`."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class CorruptError(PentrapError):
    """A file of ours does not hold what its format promises."""

    def __init__(self, operation: str, path: str, place: str, cause: str, remedy: str) -> None:
        super().__init__(f"{operation}: {path}: {place}: {cause}. {remedy}")
        self.parts = (operation, path, place, cause, remedy)


class FormatError(CorruptError):
    """A file of ours that another release wrote, in a format that this one does not read. Nobody sets it aside as rotten."""


class BusyError(PentrapError):
    """Another collector holds the data directory."""
