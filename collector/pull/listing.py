"""The collector's list: how far its numbers go, and which files it says that it gives no more.

Nobody signed it, so it is a hint and nothing more: what is true is said by the signed manifests alone. That copies are
gone has to be believed all the same, since they may go sooner than the manifest says: annex and partner may have been
given less time since. Such a word costs what it takes away and no more: it is told each time, the manifest stands and
names what is missing, and it is asked for again at the next run.
"""

import json
from typing import Any

from collector.exports.manifest import SEQUENCE_MAX
from collector.pull.errors import UnreachableError
from collector.pull.remote import Remote

LIST_MAX = 16 << 20
"""Bytes of one page of the list."""
PAGES_MAX = 2000
ROOT = "/v1/publications"


class Listing:
    """The list, as far as one run has asked for it."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._gone: dict[int, frozenset[str]] = {}

    async def numbers(self, after: int) -> dict[int, str]:
        """Those beyond `after` with the hashes that the list claims, page by page. Raises PullError."""
        found: dict[int, str] = {}
        for _ in range(PAGES_MAX):
            page = await self._page(after)
            if not page:
                return found
            found |= page
            after = max(page)
        raise UnreachableError(ROOT, f"a list of over {PAGES_MAX} pages", "an end of it", "tell the operator")

    def has_said(self, number: int, name: str) -> bool:
        """Whether it has told of this file in this run that it is given no more."""
        return name in self._gone.get(number, ())

    async def says(self, number: int, name: str) -> bool:
        """The same, asked anew where it has not. Raises PullError."""
        if not self.has_said(number, name):
            await self._page(number - 1)
        return self.has_said(number, name)

    async def _page(self, after: int) -> dict[int, str]:
        listed = _read(await self._remote.small(f"{ROOT}?after={after}", LIST_MAX))
        page = {number: one for number, one in listed.items() if after < number <= SEQUENCE_MAX}
        self._gone |= {number: _gone(one) for number, one in page.items()}
        return {number: one["manifest_sha256"] for number, one in page.items()}


def _read(content: bytes | None) -> dict[int, Any]:
    """What a page tells, by number. Raises UnreachableError where it is none."""
    try:
        listed = json.loads(content or b"")
        if isinstance(listed, dict):
            listed = listed["publications"]
        found = {one["sequence"]: one for one in listed}
        if not all(
            type(number) is int and isinstance(one["manifest_sha256"], str) for number, one in found.items()
        ):
            raise TypeError("numbers and hashes of another type")  # noqa: TRY301
    except (ValueError, KeyError, TypeError, RecursionError):
        expected = "a list of publications"
        raise UnreachableError(
            ROOT, "something else", expected, "see that the address is a collector's"
        ) from None
    return found


def _gone(one: Any) -> frozenset[str]:
    """Names that an entry says are not available. Whatever is no plain word for that is none."""
    listed = one.get("files")
    return frozenset(
        file["name"]
        for file in (listed if isinstance(listed, list) else [])
        if isinstance(file, dict) and file.get("available") is False and isinstance(file.get("name"), str)
    )
