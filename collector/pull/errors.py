"""What can stop a pull. Texts name places of ours and the partner's; what a server said is not quoted, and the token
never is.
"""

from collector.audit.findings import Finding
from collector.ground.errors import PentrapError


class PullError(PentrapError):
    """Something does not verify, or cannot be done; exit code 1."""

    def __init__(self, place: str, found: str, expected: str, remedy: str) -> None:
        self.finding = Finding(place, found, expected, remedy)
        super().__init__(str(self.finding))


class UnreachableError(PullError):
    """The collector cannot be reached, or does not answer as it should; nothing is wrong with what stands."""
