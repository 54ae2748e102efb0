"""One publication's papers: manifest, signature, list of hashes. They are judged before a byte of its files is fetched.

The signature first: nothing of a manifest is believed, or even parsed, before a trusted key has signed it. Then its
place: the number asked for, the partner of those before, the hash of the manifest before it. So a gap, a fork, a swap
of two publications, another partner's publication and a rewritten past are all refused.
"""

import hashlib
from typing import NamedTuple

from collector.exports import sshsig
from collector.exports.manifest import MANIFEST, SIGNATURE, SUMS, Manifest, parse, sums
from collector.ground.errors import CorruptError
from collector.pull.errors import PullError
from collector.pull.holdings import Holdings

SUMS_MAX = 64 << 20
EVIDENCE = "nothing of it was kept; tell the operator, by another way than this"


class Papers(NamedTuple):
    """As they came; `signer` has signed `content`, and is not trusted yet."""

    content: bytes
    signature: bytes
    sums: bytes
    signer: bytes


def signed(number: int, content: bytes, signature: bytes, listed: bytes) -> Papers:
    """Papers whose signature verifies. Raises PullError."""
    try:
        signer = sshsig.verify(signature, content)
    except sshsig.SignatureError as error:
        raise PullError(
            f"{number:06d}/{SIGNATURE}", str(error), "the collector's signature over the manifest", EVIDENCE
        ) from None
    return Papers(content, signature, listed, signer)


def manifest_of(number: int, papers: Papers, holdings: Holdings) -> Manifest:
    """What trusted papers say, held against what stands. Raises PullError."""
    place = f"{number:06d}/{MANIFEST}"
    try:
        manifest = parse(papers.content)
    except CorruptError as error:
        _, _, where, cause, _ = error.parts
        remedy = "see whether this client is older than the collector; else tell the operator"
        raise PullError(f"{place}: {where}", cause, "a manifest as the collector writes it", remedy) from None
    signer = sshsig.fingerprint(papers.signer)
    if manifest.key != signer:
        raise PullError(f"{place}: key", manifest.key, f"{signer}, which signed it", EVIDENCE)
    if manifest.sequence != number:
        raise PullError(place, f"publication {manifest.sequence}", f"publication {number}", EVIDENCE)
    if papers.sums != sums(manifest, papers.content):
        raise PullError(
            f"{number:06d}/{SUMS}", "another list", "the list that follows from the manifest", EVIDENCE
        )
    _check_place(place, manifest, papers.content, holdings)
    return manifest


def _check_place(place: str, manifest: Manifest, content: bytes, holdings: Holdings) -> None:
    number = manifest.sequence
    before, after = holdings.stood.get(number - 1), holdings.stood.get(number + 1)
    if before is not None and manifest.previous_sha256 != before.sha256:
        found = f"follows on {manifest.previous_sha256}"
        expected = f"follows on {before.sha256}, the manifest of {number - 1:06d} that stands here"
        raise PullError(place, found, expected, EVIDENCE)
    digest = hashlib.sha256(content).hexdigest()
    if after is not None and after.previous_sha256 != digest:
        expected = f"SHA-256 {after.previous_sha256}, on which {number + 1:06d} that stands here follows"
        raise PullError(place, f"SHA-256 {digest}", expected, EVIDENCE)
    last = holdings.last
    if last is not None and manifest.partner != last.partner:
        raise PullError(
            place, f"for {manifest.partner}", f"for {last.partner}, as what stands here", EVIDENCE
        )
    for file in manifest.files:
        if holdings.names.get(file.name, number) != number:
            found = f"a file of the name that one in {holdings.names[file.name]:06d} has"
            raise PullError(f"{number:06d}/{file.name}", found, "a name of its own", EVIDENCE)
