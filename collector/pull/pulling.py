"""The whole act: what is new is fetched, held against manifest, signature and chain, and given its name.

The collector's list is a hint of how far its numbers go (listing.py); every number up to there is asked for, and what
is true is said by the signed manifests alone. Publications come one after the other: the next is not looked at before
this one stands, so a withdrawal is never overtaken. Before that, the newest that stands here is held against what the
collector has under the same number: if it is gone there, or another, its past was rewritten, and nothing is taken.

A file that is not given before its time is over: where the list says that the copy is gone, the publication stands
without it, and that is told; else a new publication is not taken, nor any after it. Where the publication stands
already and only a copy is missing here, what comes after it is fetched first, and the run fails at its end.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from collector.exports import sshsig
from collector.exports.manifest import MANIFEST, MANIFEST_MAX, SIGNATURE, SUMS, File, Manifest
from collector.exports.proof import rows_in
from collector.ground import files
from collector.pull import papers as paper
from collector.pull import trust as keys
from collector.pull.errors import PullError
from collector.pull.holdings import Holdings, Stood, stood_of, today
from collector.pull.listing import ROOT, Listing
from collector.pull.remote import Remote

SPARE_BYTES = 64 << 20
"""Left free on the partner's disk."""
Tell = Callable[[dict[str, Any]], None]
Progress = Callable[[str, int, int], None]
"""Title, how many of how many bytes."""
Came = Literal["verified", "over", "gone early", "kept back"]
"""What came of a file. Not given: its time is over; the collector's list says that its copy is gone; neither."""


class Ways(NamedTuple):
    """What the caller wishes to be told, and what is to be done with each publication that stands."""

    tell: Tell
    progress: Progress
    stands: Callable[[Stood], None]
    pin: bool
    """Keep the trusted keys in DIR/trusted.key."""


class Puller:
    """One run."""

    def __init__(self, remote: Remote, holdings: Holdings, trust: keys.Trust, ways: Ways) -> None:
        self._remote, self._holdings, self._trust, self._ways = remote, holdings, trust, ways
        self._followed = False
        self._listing = Listing(remote)
        self._kept_back: list[str] = []
        """Places of files that are missing here, not given, and not told to be gone."""

    async def run(self) -> None:
        """Everything that is there and not here. Raises PullError, ConfigurationError, OSError."""
        holdings = self._holdings
        holdings.look()
        newest = holdings.last
        await self._resume_trust()
        end = await self._end(newest)
        for stood in list(holdings.stood.values()):
            if missing := holdings.absent(stood, today()):
                await self._repair(stood, missing)
            self._ways.stands(stood)
        for number in range(1, end + 1):
            if number not in holdings.stood:
                await self._take(number, end)
        if self._kept_back:
            raise _not_given(self._kept_back)

    async def _resume_trust(self) -> None:
        """What stands was verified when it came, or is covered by what was verified later: the last signer must be trusted."""
        last = self._holdings.last
        if last is None:
            return
        if not self._trust.given:
            self._pin(last.signer, f"{last.sequence:06d}, which stands here already")
        elif last.signer not in self._trust.keys:
            await self._follow()
            if last.signer not in self._trust.keys:
                raise PullError(
                    f"{last.sequence:06d}/{SIGNATURE}",
                    f"signed by {sshsig.fingerprint(last.signer)}",
                    f"signed by {self._trust.words}",
                    "give the key that signed what stands here too, or pull into another folder",
                )
        stood = self._holdings.stood
        for number in sorted(stood):
            self._trust.has_signed(stood[number].signer)

    async def _end(self, newest: Stood | None) -> int:
        """The highest number that the collector says there is; never below what stands here."""
        known = newest.sequence if newest else 0
        listed = await self._listing.numbers(max(known - 1, 0))
        end = max(listed, default=0)
        if newest is None or listed.get(known) == newest.sha256:
            return end
        content = await self._remote.small(f"{ROOT}/{known}/{MANIFEST}", MANIFEST_MAX)
        place, expected = f"{known:06d}", f"the manifest with SHA-256 {newest.sha256} that stands here"
        if content is None:
            raise PullError(place, "the collector has no such publication any more", expected, paper.EVIDENCE)
        digest = hashlib.sha256(content).hexdigest()
        if digest != newest.sha256:
            found = f"the collector has another one under this number, SHA-256 {digest}"
            raise PullError(place, found, expected, paper.EVIDENCE)
        return max(end, known)

    async def _take(self, number: int, end: int) -> None:
        """One publication, from its papers to its place."""
        content = await self._paper(number, MANIFEST, MANIFEST_MAX)
        signature = await self._paper(number, SIGNATURE, sshsig.SIGNATURE_MAX)
        listed = await self._paper(number, SUMS, paper.SUMS_MAX)
        papers = paper.signed(number, content, signature, listed)
        await self._judge_signer(number, papers)
        manifest = paper.manifest_of(number, papers, self._holdings)
        stood = stood_of(manifest, content, papers.signer)
        staged = self._holdings.stage(number)
        for name, text in ((MANIFEST, content), (SIGNATURE, signature), (SUMS, listed)):
            files.publish_bytes(staged / name, text)
        came = await self._fetch(stood, manifest.files, staged, f"{number} of {end}")
        if kept_back := _those(came, "kept back"):
            raise _not_given(_places(stood, kept_back))
        self._holdings.finish(stood, staged, _those(came, "verified"))
        self._holdings.add(stood)
        if number == max(self._holdings.stood):
            self._trust.has_signed(papers.signer)
        self._ways.stands(stood)
        self._tell_publication(manifest, stood, _those(came, "over", "gone early"))
        self._tell_gone(stood, _those(came, "over"), early=False)
        self._tell_gone(stood, _those(came, "gone early"), early=True)

    async def _repair(self, stood: Stood, missing: list[File]) -> None:
        """Files that were here, or should have been."""
        staged = self._holdings.stage(stood.sequence)
        came = await self._fetch(stood, tuple(missing), staged, f"{stood.sequence}")
        verified = _those(came, "verified")
        self._holdings.finish(stood, staged, verified)
        if verified:
            self._ways.tell({"what": "repaired", "sequence": stood.sequence, "files": len(verified)})
        self._tell_gone(stood, _those(came, "gone early"), early=True)
        self._kept_back += _places(stood, _those(came, "kept back"))

    async def _paper(self, number: int, name: str, limit: int) -> bytes:
        content = await self._remote.small(f"{ROOT}/{number}/{name}", limit)
        if content is None:
            found = "the collector lists more, and does not give this one"
            raise PullError(f"{number:06d}/{name}", found, "every number of the sequence", paper.EVIDENCE)
        return content

    async def _judge_signer(self, number: int, papers: paper.Papers) -> None:
        after = self._holdings.stood.get(number + 1)
        if after is not None and after.previous_sha256 == hashlib.sha256(papers.content).hexdigest():
            return  # a gap in what stands here: what was verified after it names it
        if not self._trust.given:
            self._pin(papers.signer, f"{number:06d}")
        if not self._trust.allows(papers.signer):
            await self._follow()
        if not self._trust.allows(papers.signer):
            replaced = papers.signer in self._trust.keys
            found = f"signed by {sshsig.fingerprint(papers.signer)}" + (
                ", which was replaced" if replaced else ""
            )
            expected = f"signed by {self._trust.words}"
            raise PullError(f"{number:06d}/{SIGNATURE}", found, expected, paper.EVIDENCE)

    def _pin(self, signer: bytes, place: str) -> None:
        self._trust.given = (signer,)
        keys.pin(self._holdings.folder, self._trust.keys)
        self._ways.tell(
            {
                "what": "pinned",
                "key": sshsig.fingerprint(signer),
                "place": place,
                "file": str(self._holdings.folder / keys.TRUSTED),
            }
        )

    async def _follow(self) -> None:
        """Ask, once a run, how the keys were handed on."""
        if self._followed:
            return
        self._followed = True
        before = self._trust.keys
        self._trust.follow(keys.offered(await self._remote.small("/v1/key", keys.KEYS_MAX)))
        new = [key for key in self._trust.keys if key not in before]
        if new and self._ways.pin:
            keys.pin(self._holdings.folder, self._trust.keys)
        for key in new:
            self._ways.tell(
                {
                    "what": "key",
                    "key": sshsig.fingerprint(key),
                    "line": sshsig.public_line(key),
                    "kept": self._ways.pin,
                }
            )

    async def _fetch(
        self, stood: Stood, wanted: tuple[File, ...], staged: Path, title: str
    ) -> dict[str, Came]:
        """Bring files into the staged folder, each verified before it has its name; by name, what came of it."""
        _check_space(staged, wanted)
        total = sum(file.bytes for file in wanted)
        done, came = 0, {}
        for file in wanted:

            def tell(size: int, before: int = done) -> None:
                self._ways.progress(title, before + size, total)

            came[file.name] = await self._file(stood, file, staged, tell)
            done += file.bytes
        self._ways.progress(title, 1, 1)
        return came

    async def _file(self, stood: Stood, file: File, staged: Path, tell: Callable[[int], None]) -> Came:
        target, part = staged / file.name, staged / f".{file.name}.part"
        place = f"{stood.sequence:06d}/{file.name}"
        if _is_whole(target, file):
            _check_rows(place, target, file)
            return "verified"
        # Left by a run that had another manifest under this number, or damaged since.
        target.unlink(missing_ok=True)
        if today() <= stood.until and self._listing.has_said(stood.sequence, file.name):
            return "gone early"  # each file asked for in vain is an entry of the collector's audit log
        path = f"{ROOT}/{stood.sequence}/{file.name}"
        resumed = part.exists() and part.lstat().st_size > 0
        while True:
            if not await self._remote.download(path, part, file.bytes, file.sha256, tell):
                part.unlink(missing_ok=True)
                if today() > stood.until:
                    return "over"
                return "gone early" if await self._listing.says(stood.sequence, file.name) else "kept back"
            digest = _digest(part)
            if digest == file.sha256:
                break
            part.unlink()
            if not resumed:
                raise PullError(place, f"SHA-256 {digest}", f"SHA-256 {file.sha256}", paper.EVIDENCE)
            # What an earlier run left may have been damaged here: once more, from the first byte.
            resumed = False
        _check_rows(place, part, file)
        files.rename(part, target)
        return "verified"

    def _tell_publication(self, manifest: Manifest, stood: Stood, gone: list[str]) -> None:
        """Files too are told once all of it stands: whoever reads on finds them."""
        folder = self._holdings.path(stood.sequence)
        for file in manifest.files:
            if file.name not in gone:
                facts = {"sequence": stood.sequence, "kind": stood.kind, "path": str(folder / file.name)}
                self._ways.tell({"what": "file"} | facts | file.model_dump())
        self._ways.tell(
            {
                "what": "publication",
                "sequence": stood.sequence,
                "kind": manifest.kind,
                "date": manifest.date.isoformat(),
                "order": manifest.order,
                "supplement": manifest.supplement,
                "complete": manifest.complete,
                "missing_sensors": list(manifest.missing_sensors),
                "tlp": manifest.tlp,
                "keep_until": stood.until.isoformat(),
                "withdraws": list(manifest.withdraws),
                "files": len(manifest.files),
                "gone": gone,
                "bytes": sum(file.bytes for file in manifest.files),
                "rows": _rows(manifest),
                "manifest_sha256": stood.sha256,
                "key": manifest.key,
                "folder": str(folder),
            }
        )

    def _tell_gone(self, stood: Stood, names: list[str], *, early: bool) -> None:
        if names:
            facts = {"sequence": stood.sequence, "files": names, "keep_until": stood.until.isoformat()}
            self._ways.tell({"what": "gone"} | facts | {"early": early})


def _those(came: dict[str, Came], *wanted: Came) -> list[str]:
    return [name for name, one in came.items() if one in wanted]


def _places(stood: Stood, names: list[str]) -> list[str]:
    return [f"{stood.sequence:06d}/{name}" for name in names]


def _not_given(places: list[str]) -> PullError:
    found = "the manifest names it, and the collector does not give it"
    expected = "every file whose time is not over, or the collector's word that its copy is gone"
    return PullError(", ".join(places), found, expected, "ask the operator why")


def _rows(manifest: Manifest) -> dict[str, int]:
    """Rows by dataset: each format of one has the same rows, so they are counted once."""
    found: dict[str, dict[str, int]] = {}
    for file in manifest.files:
        formats = found.setdefault(file.dataset, {})
        formats[file.format] = formats.get(file.format, 0) + file.rows
    return {dataset: max(formats.values()) for dataset, formats in found.items()}


def _check_space(staged: Path, wanted: tuple[File, ...]) -> None:
    there = sum(path.lstat().st_size for path in staged.iterdir())
    need = sum(file.bytes for file in wanted) - there + SPARE_BYTES
    of = os.statvfs(staged)
    free = of.f_bavail * of.f_frsize
    if free < need:
        found, expected = f"{free / 1e6:,.0f} MB free", f"{need / 1e6:,.0f} MB"
        raise PullError(
            str(staged.parent), found, expected, "make room and run it again; it goes on where it stopped"
        )


def _check_rows(place: str, part: Path, file: File) -> None:
    """The hash fits: what does not is the collector's own mistake. CSV is left to `pentrap verify`, for it takes long."""
    if not file.name.endswith(".parquet"):
        return
    try:
        rows = rows_in(part, ".parquet")
    except (ValueError, OSError):
        rows = None
    if rows != file.rows:
        part.unlink()
        found = "unreadable" if rows is None else f"{rows} rows"
        raise PullError(place, found, f"{file.rows} rows", paper.EVIDENCE)


def _is_whole(path: Path, file: File) -> bool:
    """Whether what stands there is this file, to the byte: a name alone says nothing about that."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == file.bytes and _digest(path) == file.sha256


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
