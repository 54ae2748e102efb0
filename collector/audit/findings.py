"""What a check found wrong, in one form for people and scripts."""

from typing import Any, NamedTuple


class Finding(NamedTuple):
    """One thing that does not hold: where, what stands there, what should, and what to do about it."""

    place: str
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.place}\n"
            f"    found:    {self.found}\n"
            f"    expected: {self.expected}\n"
            f"    remedy:   {self.remedy}"
        )

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return self._asdict()
